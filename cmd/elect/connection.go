// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/grpclog"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// A connection is how to reach etcd, by the names and defaults of etcdctl's flags.
type connection struct {
	endpoints         []string
	cacert, cert, key string
	insecureTransport bool
	insecureSkip      bool
	user, password    string
	token             string
	dialTimeout       time.Duration
	commandTimeout    time.Duration
	keepaliveTime     time.Duration
	keepaliveTimeout  time.Duration
	debug             bool

	names []string // of the flags
}

func (c *connection) register(flags *pflag.FlagSet) {
	own := pflag.NewFlagSet("connection", pflag.ContinueOnError)
	own.SortFlags = false
	own.StringSliceVar(&c.endpoints, "endpoints", []string{"127.0.0.1:2379"}, "where etcd is: `HOST:PORT`, or URLs, separated by commas")
	own.StringVar(&c.cacert, "cacert", "", "certify the server by the CA certificates in `FILE`")
	own.StringVar(&c.cert, "cert", "", "the `FILE` of the client's TLS certificate")
	own.StringVar(&c.key, "key", "", "the `FILE` of the key of --cert")
	own.BoolVar(&c.insecureTransport, "insecure-transport", true, "without TLS, where no other flag and no https:// asks for it")
	own.BoolVar(&c.insecureSkip, "insecure-skip-tls-verify", false, "do not verify the server's certificate (for tests only)")
	own.StringVar(&c.user, "user", "", "`USER`, as name or name:password")
	own.StringVar(&c.password, "password", "", "`PASSWORD` of --user; everybody on the machine can see flags, so better in ETCDCTL_PASSWORD")
	own.StringVar(&c.token, "auth-jwt-token", "", "JWT `TOKEN`, instead of --user and --password")
	own.DurationVar(&c.dialTimeout, "dial-timeout", 2*time.Second, "how long to wait for etcd at the start; after 3s stderr tells why")
	own.DurationVar(&c.commandTimeout, "command-timeout", 5*time.Second, "how long a short request may take")
	own.DurationVar(&c.keepaliveTime, "keepalive-time", 2*time.Second, "how long a connection may be silent before it is tested; gRPC makes it 10s at least")
	own.DurationVar(&c.keepaliveTimeout, "keepalive-timeout", 6*time.Second, "how long such a test may take")
	own.BoolVar(&c.debug, "debug", false, "log what elect and the etcd client do, on stderr")
	own.VisitAll(func(f *pflag.Flag) { c.names = append(c.names, f.Name) })
	flags.AddFlagSet(own)
}

// variable returns the environment variable that stands in for a flag.
func variable(flag string) string {
	return "ETCDCTL_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets the flags that the command line does not give from their
// environment variables, and checks what came of it.
func (c *connection) fromEnvironment(flags *pflag.FlagSet) error {
	for _, name := range c.names {
		value := os.Getenv(variable(name))
		if value == "" || flags.Changed(name) {
			continue
		}
		if err := flags.Set(name, value); err != nil {
			if name == "password" || name == "auth-jwt-token" {
				value = "…"
			}
			return fmt.Errorf("%s=%s: give what --%s takes (%s)", variable(name), value, name, flags.Lookup(name).Value.Type())
		}
	}
	if os.Getenv("ETCDCTL_DISCOVERY_SRV") != "" && !flags.Changed("endpoints") {
		return errors.New("ETCDCTL_DISCOVERY_SRV is set, but elect does not look members up in DNS: give --endpoints or ETCDCTL_ENDPOINTS")
	}
	for i, e := range c.endpoints {
		c.endpoints[i] = strings.TrimSpace(e)
		if c.endpoints[i] == "" {
			return errors.New("--endpoints: one of them is empty: give host:port, separated by commas")
		}
	}
	switch {
	case len(c.endpoints) == 0:
		return errors.New("--endpoints is empty: give host:port")
	case (c.cert == "") != (c.key == ""):
		return errors.New("--cert and --key go together: give both")
	case c.token != "" && (c.user != "" || c.password != ""):
		return errors.New("--auth-jwt-token and --user exclude each other: give one")
	case c.password != "" && c.user == "":
		return errors.New("--password without --user: give the user as well")
	case c.dialTimeout <= 0:
		return fmt.Errorf("--dial-timeout=%v: give a duration above zero, as 2s", c.dialTimeout)
	case c.commandTimeout <= 0:
		return fmt.Errorf("--command-timeout=%v: give a duration above zero, as 5s", c.commandTimeout)
	}
	return nil
}

// credentials returns user and password.
func (c *connection) credentials() (user, password string, err error) {
	user, password = c.user, c.password
	if user != "" && password == "" {
		var given bool
		if user, password, given = strings.Cut(c.user, ":"); !given || password == "" {
			return "", "", exitError{exitUsage, fmt.Errorf("--user %s has no password: set ETCDCTL_PASSWORD, or give --password, or --user name:password", user)}
		}
	}
	return user, password, nil
}

// config returns the client's configuration.
func (c *connection) config() (clientv3.Config, error) {
	user, password, err := c.credentials()
	if err != nil {
		return clientv3.Config{}, err
	}
	logger := zap.NewNop()
	if c.debug {
		if logger, err = zap.NewDevelopment(); err != nil {
			return clientv3.Config{}, err
		}
	}
	cfg, err := clientv3.NewClientConfig(&clientv3.ConfigSpec{
		Endpoints:        c.endpoints,
		DialTimeout:      c.dialTimeout,
		KeepAliveTime:    c.keepaliveTime,
		KeepAliveTimeout: c.keepaliveTimeout,
		Secure: &clientv3.SecureConfig{
			Cert: c.cert, Key: c.key, Cacert: c.cacert,
			InsecureTransport: c.insecureTransport, InsecureSkipVerify: c.insecureSkip,
		},
		Auth: &clientv3.AuthConfig{Username: user, Password: password, Token: c.token},
	}, logger)
	if err != nil {
		return clientv3.Config{}, exitError{exitUsage, fmt.Errorf("%w: check --cacert, --cert and --key", err)}
	}
	cfg.Logger = logger
	// gRPC would wait up to two minutes before it tries a member again that was
	// down; a leadership shall be there sooner after an outage.
	retry := backoff.DefaultConfig
	retry.BaseDelay, retry.MaxDelay = 200*time.Millisecond, 3*time.Second
	cfg.DialOptions = append(cfg.DialOptions, grpc.WithConnectParams(grpc.ConnectParams{
		// Of one attempt: a member that swallows packets is not to stall a wait of hours.
		Backoff: retry, MinConnectTimeout: min(max(c.dialTimeout, time.Second), 10*time.Second),
	}))
	return *cfg, nil
}

// client returns a client that has reached etcd, or an error that tells what to
// do. Close the client.
func (g *global) client() (*clientv3.Client, error) { return g.connection.dial(g.ctx) }

// request returns a context for one short request.
func (g *global) request(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, g.connection.commandTimeout)
}

// dial returns a client that has reached etcd, whatever becomes of ctx then. It
// returns within --dial-timeout, or when ctx ends.
func (c *connection) dial(ctx context.Context) (*clientv3.Client, error) {
	if c.debug {
		grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, os.Stderr, os.Stderr))
	} else {
		grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	}
	cfg, err := c.config()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.dialTimeout)
	defer cancel()
	anonymous := cfg
	anonymous.Username, anonymous.Password, anonymous.Token = "", "", ""
	if err := c.reach(ctx, anonymous); err != nil {
		return nil, err
	}
	// With a password this asks for a token, and so tells whether that is right. An
	// etcd without a leader does not answer that.
	own, end := context.WithCancel(context.WithoutCancel(ctx))
	inTime := context.AfterFunc(ctx, end)
	cfg.Context = own
	client, err := clientv3.New(cfg)
	if !inTime() {
		if err == nil {
			_ = client.Close()
		}
		return nil, c.explain(ctx.Err())
	}
	if err != nil {
		end()
		return nil, c.explain(err)
	}
	return client, nil
}

const (
	// patience is how long to wait for etcd before it is told that there is a wait: more
	// than --dial-timeout if nobody has asked for more.
	patience = 3 * time.Second
	// reminder is how long to wait then before it is told again.
	reminder = time.Minute
)

// reach returns nil as soon as one of the endpoints answers, whatever it says. Those
// who wait for long are told why.
func (c *connection) reach(ctx context.Context, cfg clientv3.Config) error {
	client, err := clientv3.New(cfg)
	if err != nil {
		return exitError{exitUsage, fmt.Errorf("%w: check --endpoints", err)}
	}
	defer client.Close()
	health := healthpb.NewHealthClient(client.ActiveConnection())
	tell := time.Now().Add(patience)
	var last error
	for {
		_, err := health.Check(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(false))
		if code := status.Code(err); code != codes.Unavailable && code != codes.DeadlineExceeded && code != codes.Canceled {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		if now := time.Now(); now.After(tell) && ctx.Err() == nil {
			tell = now.Add(reminder)
			fmt.Fprintf(os.Stderr, "elect: waits up to %v for etcd at %s: %s\n", c.dialTimeout, strings.Join(c.endpoints, ","), plain(last))
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return c.explain(last)
		}
	}
}

// explain returns err with the exit code and the advice that it calls for, if it is
// about reaching etcd, or what etcd refuses; else err as it is.
func (c *connection) explain(err error) error {
	where := strings.Join(c.endpoints, ",")
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(exitError)):
		return err
	case errors.Is(err, rpctypes.ErrAuthFailed):
		return exitError{exitEtcd, fmt.Errorf("etcd at %s refuses the user or the password: check --user and ETCDCTL_PASSWORD", where)}
	case errors.Is(err, rpctypes.ErrUserEmpty):
		return exitError{exitEtcd, fmt.Errorf("etcd at %s wants a user: give --user and ETCDCTL_PASSWORD", where)}
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		return exitError{exitEtcd, fmt.Errorf("etcd at %s does not let this user do that: grant its role the keys under the election's name, or give another --user", where)}
	case errors.Is(err, rpctypes.ErrInvalidAuthToken):
		return exitError{exitEtcd, fmt.Errorf("etcd at %s refuses the token: check --auth-jwt-token, or --user", where)}
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.Unavailable, status.Code(err) == codes.DeadlineExceeded:
		return exitError{exitEtcd, fmt.Errorf("etcd at %s was not reached: %s: check --endpoints and the TLS flags, or give more time by --dial-timeout or --command-timeout", where, plain(err))}
	}
	return err
}

// plain returns an error's text without what gRPC wraps around it.
func plain(err error) string {
	if errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded {
		return "no answer in time"
	}
	text := err.Error()
	if s, ok := status.FromError(err); ok {
		text = s.Message()
	}
	if _, inner, found := strings.Cut(text, "last error: "); found {
		text = inner
	}
	text = strings.TrimPrefix(text, "connection error: desc = ")
	return strings.Trim(text, `"`)
}

// explain is [connection.explain], for the commands.
func (g *global) explain(err error) error { return g.connection.explain(err) }
