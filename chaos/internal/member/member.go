// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package member runs one etcd member of a cluster in a process of its own.
package member

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"go.etcd.io/etcd/client/pkg/v3/verify"
	"go.etcd.io/etcd/server/v3/embed"
)

// Role is what a member's process is started as.
const Role = "member"

// Config is a member's, and fits into one argument.
type Config struct {
	Dir     string   // for the data of all members
	Logs    string   // a folder for the logs of all members, none are kept if it is empty
	Index   int      // which member this is, from 0
	Clients []string // host:port that each member serves clients at
	Peers   []string // host:port that each member listens at for its peers
	Links   []int    // ports at which the links to each member listen; see LinkHost
}

// Arg returns c as a process's argument.
func (c Config) Arg() string {
	arg, err := json.Marshal(c)
	if err != nil {
		panic("bug: " + err.Error())
	}
	return string(arg)
}

func (c Config) name(i int) string { return fmt.Sprintf("m%d", i) }

// Log returns the file that member i logs to, empty if no logs are kept.
func (c Config) Log(i int) string {
	if c.Logs == "" {
		return ""
	}
	return filepath.Join(c.Logs, c.name(i)+".log")
}

// peerURL returns what member i is known to its peers by.
func (c Config) peerURL(i int) url.URL {
	return url.URL{Scheme: "http", Host: fmt.Sprintf("%s:%d", hostName(i), c.Links[i])}
}

// logRotation bounds a log to 64 megabytes.
const logRotation = `{"maxsize": 32, "maxbackups": 1}`

func (c Config) embed() *embed.Config {
	var initial []string
	for i := range c.Peers {
		u := c.peerURL(i)
		initial = append(initial, c.name(i)+"="+u.String())
	}
	client := []url.URL{{Scheme: "http", Host: c.Clients[c.Index]}}
	cfg := embed.NewConfig()
	cfg.Name = c.name(c.Index)
	cfg.Dir = c.Dir + "/" + cfg.Name
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = client, client
	cfg.ListenPeerUrls = []url.URL{{Scheme: "http", Host: c.Peers[c.Index]}}
	cfg.AdvertisePeerUrls = []url.URL{c.peerURL(c.Index)}
	cfg.InitialCluster = strings.Join(initial, ",")
	if log := c.Log(c.Index); log != "" {
		cfg.LogOutputs, cfg.EnableLogRotation, cfg.LogRotationConfigJSON = []string{log}, true, logRotation
	} else {
		cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	}
	// A process that is killed loses nothing that the kernel has; only a machine
	// that fails would.
	cfg.UnsafeNoFsync = true
	return cfg
}

// Main is the member's process: it serves until its standard input closes, and
// tells on standard output which leases it revokes of itself.
func Main(arg string) error {
	var c Config
	if err := json.Unmarshal([]byte(arg), &c); err != nil {
		return fmt.Errorf("a member's configuration: %w", err)
	}
	defer verify.DisableVerifications()() // they read all data at every write
	resolveFor(c.Index, len(c.Peers))
	revocations := traceRevocations(c.Index, os.Stdout)
	etcd, err := embed.StartEtcd(c.embed())
	if err != nil {
		return err
	}
	revocations.of(etcd.Server)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	select {
	case <-gone:
		// There is no cluster left to hand anything over to.
		etcd.Server.HardStop()
		return nil
	case err := <-etcd.Err():
		return err
	case <-etcd.Server.StopNotify():
		return errors.New("etcd stopped by itself")
	}
}
