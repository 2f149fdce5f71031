// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/chaos/internal/member"
	"github.com/seed-da5263fb/concurrency/chaos/internal/network"
	"github.com/seed-da5263fb/concurrency/chaos/internal/proc"
)

const (
	members     = 3
	startWithin = time.Minute
	stopWithin  = 5 * time.Second
	local       = "127.0.0.1"
)

// A cluster is three etcd members, each a process of its own, with a link for
// each ordered pair of them.
type cluster struct {
	config member.Config
	peers  [members][members]*network.Link // from the first to the second
	admins [members]*clientv3.Client       // each reaches one member, directly

	mu    sync.Mutex
	procs [members]*proc.Process
	dead  [members]bool // by a fault
	died  error         // a member that ended by itself
}

func newCluster(net *network.Network, dir string) (*cluster, error) {
	c := &cluster{config: member.Config{Dir: dir}}
	for j := range members {
		var hosts []string
		for i := range members {
			hosts = append(hosts, member.LinkHost(i, j))
		}
		var ports [3]int
		for n, at := range [][]string{{local}, {local}, hosts} {
			port, err := network.FreePort(at...)
			if err != nil {
				return nil, err
			}
			ports[n] = port
		}
		c.config.Clients = append(c.config.Clients, address(local, ports[0]))
		c.config.Peers = append(c.config.Peers, address(local, ports[1]))
		c.config.Links = append(c.config.Links, ports[2])
		for i, host := range hosts {
			link, err := net.Link(fmt.Sprintf("m%d-m%d", i, j), address(host, ports[2]), address(local, ports[1]))
			if err != nil {
				return nil, err
			}
			c.peers[i][j] = link
		}
		client, err := clientv3.New(clientv3.Config{Endpoints: c.config.Clients[j : j+1], Logger: zap.NewNop()})
		if err != nil {
			return nil, err
		}
		c.admins[j] = client
	}
	return c, nil
}

func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// start starts all members, and returns when each of them serves.
func (c *cluster) start(ctx context.Context) error {
	for i := range members {
		if err := c.startMember(i); err != nil {
			return err
		}
	}
	for i := range members {
		if err := c.ready(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) startMember(i int) error {
	config := c.config
	config.Index = i
	p, err := proc.Start(member.Role, config.Arg(), func(r io.Reader) { _, _ = io.Copy(os.Stderr, r) })
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.procs[i], c.dead[i] = p, false
	c.mu.Unlock()
	go func() {
		<-p.Exited()
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.dead[i] && c.procs[i] == p {
			c.died = errors.Join(c.died, fmt.Errorf("member m%d ended by itself", i))
		}
	}()
	return nil
}

// ready waits until a member serves a read that a majority stands behind.
func (c *cluster) ready(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		rctx, cancel := context.WithTimeout(ctx, time.Second)
		_, err := c.admins[i].Get(rctx, "ready")
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("member m%d did not serve within %v: %w", i, startWithin, errors.Join(err, c.failed()))
		}
		sleep(ctx, 50*time.Millisecond)
	}
}

// failed returns an error if a member has ended by itself.
func (c *cluster) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.died
}

func (c *cluster) proc(i int) *proc.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.procs[i]
}

func (c *cluster) kill(i int) {
	c.mu.Lock()
	c.dead[i] = true
	p := c.procs[i]
	c.mu.Unlock()
	p.Kill()
}

// leader returns which member raft has as its leader, as any member says.
func (c *cluster) leader(ctx context.Context) (int, error) {
	var last error
	for i := range members {
		sctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		status, err := c.admins[i].Status(sctx, c.config.Clients[i])
		cancel()
		if err != nil {
			last = err
			continue
		}
		if status.Leader == 0 {
			last = errors.New("there is no leader")
			continue
		}
		list, err := c.admins[i].MemberList(ctx, clientv3.WithSerializable())
		if err != nil {
			last = err
			continue
		}
		for _, m := range list.Members {
			if m.ID == status.Leader {
				var of int
				_, err := fmt.Sscanf(m.Name, "m%d", &of)
				return of, err
			}
		}
	}
	return 0, fmt.Errorf("ask for raft's leader: %w", last)
}

// stop ends all members, and returns when they are gone.
func (c *cluster) stop() {
	for _, client := range c.admins {
		if client != nil {
			_ = client.Close()
		}
	}
	c.mu.Lock()
	c.dead = [members]bool{true, true, true}
	procs := c.procs
	c.mu.Unlock()
	var stopping sync.WaitGroup
	for _, p := range procs {
		if p != nil {
			stopping.Go(func() {
				_ = p.Resume()
				p.Stop(stopWithin)
			})
		}
	}
	stopping.Wait()
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
