// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"go.uber.org/zap"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

const members = 3

// A cluster is three etcd members in this process, with their data in a
// temporary folder.
type cluster struct {
	dir     string
	members []*embed.Etcd
}

// startCluster starts the members and waits until they are one cluster. When it
// fails, or ctx ends first, it leaves nothing behind.
//
// A free port is found by listening on one and closing it again, so another
// process may take it in between: then all is tried once more.
func startCluster(ctx context.Context, parentDir string) (*cluster, error) {
	for attempt := 1; ; attempt++ {
		cl, err := tryStartCluster(ctx, parentDir)
		if err == nil || attempt == 5 || !errors.Is(err, syscall.EADDRINUSE) {
			return cl, err
		}
	}
}

func tryStartCluster(ctx context.Context, parentDir string) (_ *cluster, err error) {
	dir, err := os.MkdirTemp(parentDir, "elect-demo-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the members' data: %w", err)
	}
	cl := &cluster{dir: dir, members: make([]*embed.Etcd, members)}
	defer func() {
		if err != nil {
			err = errors.Join(err, cl.stop())
		}
	}()
	urls, err := freeURLs(2 * members)
	if err != nil {
		return nil, err
	}

	// Together, because a member is ready only when it has found another one.
	errs := make([]error, members)
	var starting sync.WaitGroup
	for i := range members {
		starting.Go(func() { cl.members[i], errs[i] = embed.StartEtcd(memberConfig(dir, urls, i)) })
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("start the members: %w", err)
	}
	for _, m := range cl.members {
		select {
		case <-m.Server.ReadyNotify():
		case err := <-m.Err():
			return nil, fmt.Errorf("start member %s: %w", m.Config().Name, err)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return cl, nil
}

// memberConfig returns the configuration of member i: the first half of urls is
// for clients, the second for the members among themselves.
func memberConfig(dir string, urls []url.URL, i int) *embed.Config {
	name := func(i int) string { return fmt.Sprintf("m%d", i+1) }
	var initial []string
	for j, u := range urls[members:] {
		initial = append(initial, name(j)+"="+u.String())
	}
	cfg := embed.NewConfig()
	cfg.Name = name(i)
	cfg.Dir = filepath.Join(dir, cfg.Name)
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = urls[i:i+1], urls[i:i+1]
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = urls[members+i:members+i+1], urls[members+i:members+i+1]
	cfg.InitialCluster = strings.Join(initial, ",")
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	cfg.UnsafeNoFsync = true // nothing here outlives the process
	return cfg
}

// freeURLs returns n different URLs on loopback that nobody listens on.
func freeURLs(n int) ([]url.URL, error) {
	urls := make([]url.URL, n)
	for i := range urls {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close() // after the loop, so that no port is found twice
		urls[i] = url.URL{Scheme: "http", Host: l.Addr().String()}
	}
	return urls, nil
}

// addresses returns where the members listen for clients.
func (cl *cluster) addresses() []string {
	var as []string
	for _, m := range cl.members {
		as = append(as, m.Clients[0].Addr().String())
	}
	return as
}

// stop ends the members and removes their folder. Clients should be closed
// before: a member waits some seconds for requests that are under way.
func (cl *cluster) stop() error {
	var stopping sync.WaitGroup
	for _, m := range cl.members {
		if m == nil {
			continue
		}
		stopping.Go(func() {
			// Not gracefully: to hand raft's leadership to a member that is
			// stopping as well takes seconds.
			m.Server.HardStop()
			m.Close()
		})
	}
	stopping.Wait()
	if err := os.RemoveAll(cl.dir); err != nil {
		return fmt.Errorf("remove the members' data: %w", err)
	}
	return nil
}

// connect returns a client for the addresses.
func connect(ctx context.Context, addresses []string) (*clientv3.Client, error) {
	c, err := clientv3.New(clientv3.Config{
		Context:   ctx,
		Endpoints: addresses,
		Logger:    zap.NewNop(),
	})
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return c, nil
}
