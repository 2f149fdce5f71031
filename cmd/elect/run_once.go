// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// A slot is what is to be done once by all of a fleet. That it is done is told by a
// marker in etcd, beside the election and not among its candidates.
type slot struct {
	client *clientv3.Client
	key    string
	keep   time.Duration // how long the marker stays; 0 for good
}

// A marker is what the key of a slot holds, as JSON: who did it, in which term.
type marker struct {
	Value string    `json:"value"`
	Rev   int64     `json:"rev"`
	At    time.Time `json:"at"`
}

// onceKey returns the key of a slot: no candidate's, since those are under the
// name and a slash.
func onceKey(name, key string) string { return name + ".once/" + key }

// errNotMarked says that a term was over before its success was written down.
var errNotMarked = errors.New("the lead was lost before the command's success was written down: it may run once more, elsewhere")

// done reports whether somebody has done it.
func (s *slot) done(ctx context.Context) (bool, error) {
	resp, err := s.client.Get(ctx, s.key, clientv3.WithCountOnly())
	if err != nil {
		return false, fmt.Errorf("read %s: %w", s.key, err)
	}
	return resp.Count > 0, nil
}

// awaitDone is done, asked until it is answered, or ctx ends, or etcd refuses.
func (s *slot) awaitDone(ctx context.Context) (bool, error) {
	for {
		done, err := s.done(ctx)
		switch {
		case err == nil:
			return done, nil
		case ctx.Err() != nil:
			return false, nil // the lead is over, and the command is not run in it
		case isRefusal(err):
			return false, err
		}
		pause(ctx)
	}
}

// mark writes down that it is done, in a transaction that is applied only while the
// term lasts. It tries for as long as ctx lasts, which ends with the term.
func (s *slot) mark(ctx context.Context, term *concurrency.Term, value string) error {
	body, err := json.Marshal(marker{value, term.Rev(), time.Now().UTC()})
	if err != nil {
		return err
	}
	var opts []clientv3.OpOption
	for ctx.Err() == nil {
		if s.keep > 0 && opts == nil {
			lease, err := s.client.Grant(ctx, int64(s.keep/time.Second))
			if isRefusal(err) {
				return err
			}
			if err != nil {
				pause(ctx)
				continue
			}
			opts = append(opts, clientv3.WithLease(lease.ID))
		}
		marked := clientv3.Compare(clientv3.CreateRevision(s.key), ">", 0)
		resp, err := s.client.Txn(ctx).If(term.Fence()).Then(
			// An attempt whose answer was lost may have marked it.
			clientv3.OpTxn([]clientv3.Cmp{marked}, nil, []clientv3.Op{clientv3.OpPut(s.key, string(body), opts...)}),
		).Commit()
		if isRefusal(err) {
			return err
		}
		if err != nil {
			pause(ctx)
			continue
		}
		if !resp.Succeeded {
			break
		}
		return nil
	}
	return errNotMarked
}

// pause waits a little before the next attempt.
func pause(ctx context.Context) {
	select {
	case <-time.After(100 * time.Millisecond):
	case <-ctx.Done():
	}
}

// checkOnce checks the flags --once and --once-keep.
func checkOnce(given bool, key string, keep time.Duration) error {
	switch {
	case given && (key == "" || strings.ContainsFunc(key, func(r rune) bool { return !strconv.IsPrint(r) })):
		return usagef("--once=%q: give what tells this one run from all others, as the day of a daily one", key)
	case keep != 0 && !given:
		return usagef("--once-keep without --once: give both")
	case keep != 0 && (keep < time.Minute || keep%time.Second != 0):
		return usagef("--once-keep=%v: give whole seconds, and a minute at least, as 48h", keep)
	}
	return nil
}
