// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
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

	mu      sync.Mutex
	procs   [members]*proc.Process
	dead    [members]bool // by a fault
	failed  error         // as when a member ended by itself
	revoked []history.Revocation
}

func newCluster(net *network.Network, dir, logs string) (*cluster, error) {
	c := &cluster{config: member.Config{Dir: dir, Logs: logs}}
	for j := range members {
		_ = os.Remove(c.config.Log(j)) // an earlier trial's: members append to it when they are started again
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
	p, err := proc.Start(member.Role, config.Arg(), c.follow)
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
			c.failed = errors.Join(c.failed, fmt.Errorf("member m%d ended by itself", i))
		}
	}()
	return nil
}

// follow keeps the revocations that a member tells of, until it ends, which may
// be in the middle of one.
func (c *cluster) follow(out io.Reader) {
	for told := json.NewDecoder(out); ; {
		var v history.Revocation
		err := told.Decode(&v)
		c.mu.Lock()
		switch {
		case err == nil:
			c.revoked = append(c.revoked, v)
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			c.failed = errors.Join(c.failed, fmt.Errorf("read a member's revocations: %w", err))
		}
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// revocations returns which leases the members have revoked of themselves.
func (c *cluster) revocations() []history.Revocation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.revoked)
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
			return fmt.Errorf("member m%d did not serve within %v: %w", i, startWithin, errors.Join(err, c.err()))
		}
		proc.Sleep(ctx, 50*time.Millisecond)
	}
}

// err returns what went wrong with the cluster itself.
func (c *cluster) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
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
