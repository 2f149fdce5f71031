// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
)

// requestTimeout bounds a request that is a fault, or that finds out where to
// strike.
const requestTimeout = 3 * time.Second

// atEtcd makes a request that is a fault, and over at once.
func (in *injector) atEtcd(ctx context.Context, a *fault.Applied) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	switch a.Kind {
	case fault.Compact:
		return in.compact(ctx, a)
	case fault.Defrag:
		return in.defrag(ctx, a)
	case fault.MoveLeader:
		return in.moveLeader(ctx, a)
	case fault.Revoke, fault.DeleteKey:
		return in.strike(ctx, a)
	}
	panic("bug: a fault that nobody can do: " + a.Kind)
}

// compact throws away what the recorder has, so that the history stays whole, and
// observers that lag behind it lose some.
func (in *injector) compact(ctx context.Context, a *fault.Applied) error {
	rev := in.recorder.Rev()
	in.mu.Lock()
	done := rev <= in.compacted
	in.compacted = max(rev, in.compacted)
	in.mu.Unlock()
	if done {
		return errBusy
	}
	a.Rev = rev // before it is known to be done: an answer may be lost
	a.Target = fmt.Sprintf("revision %d", rev)
	return in.anywhere(ctx, func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Compact(ctx, rev)
		return err
	})
}

func (in *injector) defrag(ctx context.Context, a *fault.Applied) error {
	m, err := in.member(ctx, a)
	if err != nil {
		return err
	}
	_, err = in.cluster.admins[m].Defragment(ctx, in.cluster.config.Clients[m])
	return err
}

func (in *injector) moveLeader(ctx context.Context, a *fault.Applied) error {
	from, err := in.cluster.leader(ctx)
	if err != nil {
		return err
	}
	c := in.cluster.admins[from]
	list, err := c.MemberList(ctx, clientv3.WithSerializable())
	if err != nil {
		return err
	}
	for _, m := range list.Members {
		if m.Name != fmt.Sprintf("m%d", from) && in.free(m.Name) {
			a.Target = fmt.Sprintf("m%d to %s", from, m.Name)
			_, err := c.MoveLeader(ctx, m.ID)
			return err
		}
	}
	return errBusy
}

func (in *injector) free(name string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return !in.busy[name]
}

// strike revokes the lease of a lane's candidate, or deletes its key.
func (in *injector) strike(ctx context.Context, a *fault.Applied) error {
	queue := in.recorder.Candidates(a.Lane)
	slices.SortFunc(queue, func(x, y history.Change) int { return cmp.Compare(x.CreateRev, y.CreateRev) })
	at := 0
	if a.Waiting {
		at = 1
	}
	if len(queue) <= at {
		return errBusy
	}
	c := queue[at]
	// Before it is known to be done: an answer may be lost.
	a.Key, a.Rev, a.Target = c.Key, c.CreateRev, c.Key
	return in.anywhere(ctx, func(ctx context.Context, client *clientv3.Client) error {
		if a.Kind == fault.Revoke {
			_, err := client.Revoke(ctx, clientv3.LeaseID(c.Lease))
			return err
		}
		_, err := client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(c.Key), "=", c.CreateRev)).
			Then(clientv3.OpDelete(c.Key)).Commit()
		return err
	})
}

// anywhere makes a request of one member after the other until one does it. The
// request has to be one that may be repeated.
func (in *injector) anywhere(ctx context.Context, request func(context.Context, *clientv3.Client) error) error {
	var errs error
	for _, c := range in.cluster.admins {
		rctx, cancel := context.WithTimeout(ctx, requestTimeout/members)
		err := request(rctx, c)
		cancel()
		if err == nil {
			return nil
		}
		errs = errors.Join(errs, err)
	}
	return errs
}
