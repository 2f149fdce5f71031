// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package worker

import (
	"context"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/chaos/internal/journal"
	"github.com/seed-da5263fb/concurrency/chaos/internal/proc"
)

// partSize is how many elements of a set are kept under one key.
const partSize = 100

// Elements returns what a part of a set holds.
func Elements(value string) []string { return strings.Fields(value) }

// add reads the set, thinks, and writes it back with one element more.
func (c *contest) add(ctx context.Context, r reign) string {
	c.added++
	element := fmt.Sprintf("%d.%d.%d", c.Index, c.Life, c.added)
	return c.operate(journal.Add, element, r, func(ctxOp context.Context) (string, string) {
		client := c.clients[c.lane.Package]
		last, err := client.Get(ctxOp, c.lane.Set(), clientv3.WithLastKey()...)
		if err != nil {
			return journal.Failed, element
		}
		key, elements, part := c.lane.Set()+"000000", []string(nil), 0
		if len(last.Kvs) > 0 {
			key, elements = string(last.Kvs[0].Key), Elements(string(last.Kvs[0].Value))
			if len(elements) >= partSize {
				fmt.Sscanf(strings.TrimPrefix(key, c.lane.Set()), "%d", &part)
				key, elements = fmt.Sprintf("%s%06d", c.lane.Set(), part+1), nil
			}
		}
		proc.Sleep(ctx, c.between(20, 150))
		return c.commit(r, clientv3.OpPut(key, strings.Join(append(elements, element), " "))), element
	})
}

// write sets the register to a value that nobody has used before.
func (c *contest) write(r reign) string {
	value := c.value()
	return c.operate(journal.Write, value, r, func(context.Context) (string, string) {
		return c.commit(r, clientv3.OpPut(c.lane.Register(), value)), value
	})
}

// read reads the register.
func (c *contest) read(r reign) string {
	return c.operate(journal.Read, "", r, func(ctx context.Context) (string, string) {
		txn := c.clients[c.lane.Package].Txn(ctx)
		if c.lane.Fenced {
			txn = txn.If(r.fence)
		}
		resp, err := txn.Then(clientv3.OpGet(c.lane.Register())).Commit()
		switch {
		case err != nil:
			return journal.Failed, ""
		case !resp.Succeeded:
			return journal.Refused, ""
		}
		if kvs := resp.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
			return journal.OK, string(kvs[0].Value)
		}
		return journal.OK, ""
	})
}

// operate tells when an operation begins and how it ends.
func (c *contest) operate(what, value string, r reign, do func(context.Context) (result, value string)) string {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	op := c.ops.Add(1)
	c.tell(journal.Event{Kind: journal.Call, Op: op, What: what, Value: value, Rev: r.rev})
	result, value := do(ctx)
	c.tell(journal.Event{Kind: journal.Return, Op: op, What: what, Value: value, Rev: r.rev, Result: result})
	return result
}

// commit writes, with the fence or without. The context has nothing to do with the
// term: whoever was paused writes all the same.
func (c *contest) commit(r reign, put clientv3.Op) string {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	txn := c.clients[c.lane.Package].Txn(ctx)
	if c.lane.Fenced {
		txn = txn.If(r.fence)
	}
	resp, err := txn.Then(put).Commit()
	switch {
	case err != nil:
		return journal.Unknown
	case !resp.Succeeded:
		return journal.Refused
	}
	return journal.OK
}
