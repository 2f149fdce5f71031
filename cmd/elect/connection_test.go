// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

// TestEachFlagHasItsVariable sets every flag by its ETCDCTL_ variable.
func TestEachFlagHasItsVariable(t *testing.T) {
	values := map[string]string{
		"endpoints": "a:1,b:2", "cacert": "ca.pem", "cert": "c.pem", "key": "k.pem",
		"insecure-transport": "false", "insecure-skip-tls-verify": "true",
		"user": "u", "password": "p", "auth-jwt-token": "t",
		"dial-timeout": "11s", "command-timeout": "12s", "keepalive-time": "13s", "keepalive-timeout": "14s", "debug": "true",
	}
	var c connection
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	c.register(flags)
	require.Len(t, values, len(c.names), "a flag without a value here")
	for flag, value := range values {
		if flag != "auth-jwt-token" { // excludes the password
			t.Setenv(variable(flag), value)
		}
	}
	require.NoError(t, c.fromEnvironment(flags))
	for flag, value := range values {
		if flag == "endpoints" {
			value = "[" + value + "]"
		}
		if flag != "auth-jwt-token" {
			require.Equal(t, value, flags.Lookup(flag).Value.String(), variable(flag))
		}
	}
	cfg, err := c.config()
	require.ErrorContains(t, err, "check --cacert, --cert and --key", "the files are not there")
	require.Empty(t, cfg.Endpoints)
}

func TestATokenStandsInForAPassword(t *testing.T) {
	var c connection
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	c.register(flags)
	t.Setenv("ETCDCTL_AUTH_JWT_TOKEN", "t")
	require.NoError(t, c.fromEnvironment(flags))
	cfg, err := c.config()
	require.NoError(t, err)
	require.Equal(t, "t", cfg.Token)
}

func TestAFlagCountsMoreThanItsVariable(t *testing.T) {
	var c connection
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	c.register(flags)
	t.Setenv("ETCDCTL_ENDPOINTS", "there:1")
	require.NoError(t, flags.Parse([]string{"--endpoints", "here:1"}))
	require.NoError(t, c.fromEnvironment(flags))
	require.Equal(t, []string{"here:1"}, c.endpoints)
}

func TestDiscoveryByDNSIsRefusedAndNotPassedOver(t *testing.T) {
	var c connection
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	c.register(flags)
	t.Setenv("ETCDCTL_DISCOVERY_SRV", "example.org")
	require.ErrorContains(t, c.fromEnvironment(flags), "give --endpoints")
	t.Setenv("ETCDCTL_ENDPOINTS", "there:1")
	require.NoError(t, c.fromEnvironment(flags))
}

func TestNobodyAtTheEndpoint(t *testing.T) {
	t.Parallel()
	free, err := freeURL()
	require.NoError(t, err)
	_, err = build() // takes its time
	require.NoError(t, err)
	began := time.Now()
	got := result(t, nil, "try", "x", "--endpoints", free.Host, "--dial-timeout", "3s", "--", "true")
	require.Equal(t, exitRunEtcd, got.code)
	require.Regexp(t, `^elect: etcd at `+free.Host+` was not reached: .*connection refused: check --endpoints .*\n$`, got.err)
	require.Less(t, time.Since(began), bound)
}

func TestASilentEndpoint(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	got := result(t, nil, "run", "x", "--endpoints", l.Addr().String(), "--dial-timeout", "300ms", "--", "true")
	require.Equal(t, exitRunEtcd, got.code)
	require.Contains(t, got.err, "was not reached")
}

func TestElectWaitsForEtcdAndSaysSo(t *testing.T) {
	t.Parallel()
	e := startEtcd(t, nil)
	e.stop()
	p := elect(t, e.endpoint(), "run", name(t), "--dial-timeout", "1h", "--", "ACTOR", "-exit", "5")
	said := regexp.MustCompile(`^elect: waits up to 1h0m0s for etcd at ` + e.endpoint() + `: .*connection refused\n$`)
	require.Eventually(t, func() bool { return said.MatchString(p.stderr.String()) }, bound, 10*time.Millisecond)
	require.NoError(t, e.start())
	require.Equal(t, 5, p.code())
	require.Regexp(t, said, p.said(), "and no more than that")
}

// TestElectCanBeEndedWhileItLogsIn has an etcd that is there, and checks no passwords.
func TestElectCanBeEndedWhileItLogsIn(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	var once sync.Once
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		once.Do(func() { close(asked) })
		<-stream.Context().Done()
		return stream.Context().Err()
	}))
	healthpb.RegisterHealthServer(server, health.NewServer())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-served)
	})

	p := electWith(t, at(l.Addr().String()), nil, "run", "x", "--user", "u:p", "--dial-timeout", "1h", "--", "ACTOR")
	select {
	case <-asked:
	case <-time.After(bound):
		require.Fail(t, "elect asks for no token")
	}
	p.signal(syscall.SIGTERM)
	require.Equal(t, exitInterrupted, p.code())

	got := result(t, at(l.Addr().String()), "list", "x", "--user", "u:p", "--dial-timeout", "500ms")
	require.Equal(t, exitEtcd, got.code)
	require.Contains(t, got.err, "no answer in time")
}

// A fortress is a server that wants a client certificate and a password.
type fortress struct {
	*etcd
	ca, cert, key string // files
	strange       string // a CA that has certified nobody here
}

const election = "test/fortress"

func startFortress(t *testing.T) *fortress {
	t.Helper()
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	f := &fortress{ca: ca.file, strange: newAuthority(t, dir, "strange").file}
	f.cert, f.key = ca.certify(t, dir, "client", x509.ExtKeyUsageClientAuth)
	cert, key := ca.certify(t, dir, "server", x509.ExtKeyUsageServerAuth)
	f.etcd = startEtcd(t, func(cfg *embed.Config) {
		cfg.ListenClientUrls[0].Scheme, cfg.AdvertiseClientUrls[0].Scheme = "https", "https"
		cfg.ClientTLSInfo = transport.TLSInfo{CertFile: cert, KeyFile: key, TrustedCAFile: ca.file, ClientCertAuth: true}
		cfg.BcryptCost = 4 // the least: a login shall not take seconds with the race detector
		// The gateway would be a client with the server's certificate.
		cfg.EnableGRPCGateway = false
	})

	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	own, err := tls.LoadX509KeyPair(f.cert, f.key)
	require.NoError(t, err)
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{"https://" + f.endpoint()}, Logger: zap.NewNop(),
		TLS: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}},
	})
	require.NoError(t, err)
	defer client.Close()
	ctx := t.Context()
	for user, password := range map[string]string{"root": "toor", "elector": "secret", "guest": "guest"} {
		_, err = client.UserAdd(ctx, user, password)
		require.NoError(t, err)
	}
	_, err = client.UserGrantRole(ctx, "root", "root")
	require.NoError(t, err)
	_, err = client.RoleAdd(ctx, "elections")
	require.NoError(t, err)
	_, err = client.RoleGrantPermission(ctx, "elections", "test/", clientv3.GetPrefixRangeEnd("test/"),
		clientv3.PermissionType(clientv3.PermReadWrite))
	require.NoError(t, err)
	_, err = client.UserGrantRole(ctx, "elector", "elections")
	require.NoError(t, err)
	_, err = client.AuthEnable(ctx)
	require.NoError(t, err)
	return f
}

// TestCertificatesAndPasswords reaches a server that wants both.
func TestCertificatesAndPasswords(t *testing.T) {
	t.Parallel()
	f := startFortress(t)
	env := func(extra ...string) []string {
		return append([]string{
			"ETCDCTL_ENDPOINTS=https://" + f.endpoint(), "ETCDCTL_CACERT=" + f.ca, "ETCDCTL_CERT=" + f.cert, "ETCDCTL_KEY=" + f.key,
			"ETCDCTL_USER=elector", "ETCDCTL_PASSWORD=secret", "ETCDCTL_DIAL_TIMEOUT=" + bound.String(),
		}, extra...)
	}
	hurry := "ETCDCTL_DIAL_TIMEOUT=5s" // where it is for nothing
	run := []string{"run", election, "--", "ACTOR", "-exit", "5"}
	try := []string{"try", election + "/try", "--", "ACTOR", "-exit", "5"}
	for name, c := range map[string]struct {
		env  []string
		args []string
		code int
		says string
	}{
		"ByVariables":       {env(), run, 5, ""},
		"TryByVariables":    {env(), try, 5, ""},
		"ByFlags":           {[]string{"ETCDCTL_DIAL_TIMEOUT=" + bound.String()}, append([]string{"--endpoints", "https://" + f.endpoint(), "--cacert", f.ca, "--cert", f.cert, "--key", f.key, "--user", "elector:secret"}, run...), 5, ""},
		"PasswordInTheFlag": {env("ETCDCTL_USER="), append([]string{"--user", "elector", "--password", "secret"}, run...), 5, ""},
		"SkipVerify":        {env("ETCDCTL_CACERT="+f.strange, "ETCDCTL_INSECURE_SKIP_TLS_VERIFY=true"), run, 5, ""},
		"WrongPassword":     {env("ETCDCTL_PASSWORD=wrong"), run, exitRunEtcd, "refuses the user or the password"},
		"NoPassword":        {env("ETCDCTL_PASSWORD="), run, exitRunUsage, "has no password: set ETCDCTL_PASSWORD"},
		"WrongCA":           {env("ETCDCTL_CACERT="+f.strange, hurry), run, exitRunEtcd, "certificate"},
		"NoCertificate":     {env("ETCDCTL_CERT=", "ETCDCTL_KEY=", hurry), run, exitRunEtcd, "was not reached"},
		"NoTLS":             {env("ETCDCTL_ENDPOINTS="+f.endpoint(), "ETCDCTL_CACERT=", "ETCDCTL_CERT=", "ETCDCTL_KEY=", hurry), run, exitRunEtcd, "was not reached"},
		"NoSuchFile":        {env("ETCDCTL_CACERT=nowhere.pem"), run, exitRunUsage, "check --cacert"},
		"NotPermitted":      {env("ETCDCTL_USER=guest", "ETCDCTL_PASSWORD=guest"), run, exitRunEtcd, "grant its role the keys"},
		"TryNotPermitted":   {env("ETCDCTL_USER=guest", "ETCDCTL_PASSWORD=guest"), try, exitRunEtcd, "grant its role the keys"},
		"OnceNotPermitted": {env(), []string{"run", "elsewhere", "--once", "a", "--", "ACTOR", "-exit", "5"}, exitRunEtcd,
			"grant its role the keys"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := electWith(t, c.env, nil, append([]string(nil), c.args...)...)
			require.Equal(t, c.code, p.code())
			said := p.said()
			require.Contains(t, said, c.says)
			require.NotContains(t, said, "secret")
			if c.says == "" {
				require.Empty(t, said)
			}
		})
	}
}

// An authority certifies.
type authority struct {
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{writePEM(t, dir, name+".pem", "CERTIFICATE", der), cert, key}
}

// certify returns the files of a new certificate for loopback, and of its key.
func (a *authority) certify(t *testing.T, dir, name string, usage x509.ExtKeyUsage) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	require.NoError(t, err)
	secret, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	return writePEM(t, dir, name+".pem", "CERTIFICATE", der), writePEM(t, dir, name+".key", "EC PRIVATE KEY", secret)
}

func writePEM(t *testing.T, dir, name, kind string, der []byte) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, pem.Encode(&b, &pem.Block{Type: kind, Bytes: der}))
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path
}
