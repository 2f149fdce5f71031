// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"

	v3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

// A cluster is one or three etcd members in this process, on the loopback
// interface, with their data in a temporary directory, and etcd's defaults in all
// else.
type cluster struct {
	members  []*embed.Etcd
	addrs    []string // host:port, for clients
	dir      string
	requests *counter // what the members received
	password string   // of root, if authentication is on

	mu      sync.Mutex
	clients []*v3.Client
}

const startTimeout = 30 * time.Second

func startCluster(size int) (*cluster, error) {
	dir, err := os.MkdirTemp("", "concurrency-bench-")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, requests: newCounter()}
	var configs []*embed.Config
	var initial []string
	for i := range size {
		clientURL, err := freeURL()
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		peerURL, err := freeURL()
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		cfg := embed.NewConfig()
		cfg.Name = fmt.Sprintf("m%d", i)
		cfg.Dir = fmt.Sprintf("%s/%s", dir, cfg.Name)
		cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{clientURL}, []url.URL{clientURL}
		cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peerURL}, []url.URL{peerURL}
		cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
		cfg.GRPCAdditionalServerOptions = []grpc.ServerOption{grpc.StatsHandler(c.requests)}
		configs = append(configs, cfg)
		initial = append(initial, cfg.Name+"="+peerURL.String())
		c.addrs = append(c.addrs, clientURL.Host)
	}
	for _, cfg := range configs {
		cfg.InitialCluster = strings.Join(initial, ",")
		m, err := embed.StartEtcd(cfg)
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		c.members = append(c.members, m)
	}
	late := time.After(startTimeout)
	for _, m := range c.members {
		select {
		case <-m.Server.ReadyNotify():
		case <-late:
			return nil, errors.Join(errors.New("the cluster did not start in time"), c.stop())
		}
	}
	return c, nil
}

// freeURL returns a URL with a port that nobody listened on a moment ago.
func freeURL() (url.URL, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return url.URL{}, err
	}
	defer l.Close()
	return url.URL{Scheme: "http", Host: l.Addr().String()}, nil
}

// client returns a client that is closed with the cluster. Clients go round the
// members, each staying with one, so that the same pair of members is between
// a contender's two sides as between another's.
func (c *cluster) client(i int, opts ...grpc.DialOption) (*v3.Client, error) {
	return c.dial(c.followers()[i%len(c.members)], opts...)
}

// followers returns the addresses of all members, with that of etcd's leader last.
func (c *cluster) followers() []string {
	var addrs, leader []string
	for i, m := range c.members {
		if m.Server.Leader() == m.Server.MemberID() {
			leader = append(leader, c.addrs[i])
		} else {
			addrs = append(addrs, c.addrs[i])
		}
	}
	return append(addrs, leader...)
}

func (c *cluster) dial(addr string, opts ...grpc.DialOption) (*v3.Client, error) {
	cfg := v3.Config{
		Endpoints:   []string{addr},
		DialTimeout: startTimeout,
		DialOptions: opts,
		Logger:      zap.NewNop(),
	}
	if c.password != "" {
		cfg.Username, cfg.Password = "root", c.password
	}
	client, err := v3.New(cfg)
	if err != nil {
		return nil, err
	}
	// The connection stands before anything is measured.
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if _, err := client.Get(ctx, "hello"); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clients = append(c.clients, client)
	return client, nil
}

// dialAll returns n clients, one after the other round the members.
func (c *cluster) dialAll(n int, opts ...grpc.DialOption) ([]*v3.Client, error) {
	clients := make([]*v3.Client, n)
	for i := range clients {
		var err error
		if clients[i], err = c.client(i, opts...); err != nil {
			return nil, err
		}
	}
	return clients, nil
}

// protect turns authentication by password on.
func (c *cluster) protect(ctx context.Context) error {
	client, err := c.client(0)
	if err != nil {
		return err
	}
	const password = "a password of no account"
	if _, err := client.UserAdd(ctx, "root", password); err != nil {
		return err
	}
	if _, err := client.UserGrantRole(ctx, "root", "root"); err != nil {
		return err
	}
	if _, err := client.AuthEnable(ctx); err != nil {
		return err
	}
	c.password = password
	return nil
}

func (c *cluster) stop() error {
	for _, client := range c.clients {
		_ = client.Close()
	}
	for _, m := range c.members {
		m.Server.HardStop() // nobody needs the data again
		m.Close()
	}
	return os.RemoveAll(c.dir)
}

// onCluster runs f on a cluster of its own.
func onCluster(size int, f func(*cluster) error) error {
	c, err := startCluster(size)
	if err != nil {
		return fmt.Errorf("start %d members: %w", size, err)
	}
	return errors.Join(f(c), c.stop())
}
