// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
)

// writers are other users of the same etcd: they write keys that no election
// knows of, at a steady rate that does not wait for the answers.
type writers struct {
	cancel context.CancelFunc
	over   chan struct{}
	begin  time.Time

	mu    sync.Mutex
	times []float64 // ms
}

const (
	mostWriting = 512
)

func startWriters(ctx context.Context, client *v3.Client, name string, perSecond int) *writers {
	ctx, cancel := context.WithCancel(ctx)
	w := &writers{cancel: cancel, over: make(chan struct{}), begin: time.Now()}
	value := string(make([]byte, 100))
	go func() {
		defer close(w.over)
		var wg sync.WaitGroup
		defer wg.Wait()
		slots := make(chan struct{}, mostWriting)
		interval := time.Second / time.Duration(perSecond)
		for i := 0; ctx.Err() == nil; i++ {
			due := w.begin.Add(time.Duration(i) * interval)
			time.Sleep(time.Until(due))
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				if _, err := client.Put(ctx, fmt.Sprintf("%s/%d", name, i%1000), value); err == nil {
					// From when it was due: a writer that was kept waiting has waited.
					took := time.Since(due)
					w.mu.Lock()
					defer w.mu.Unlock()
					w.times = append(w.times, took.Seconds()*1e3)
				}
			})
		}
	}()
	return w
}

// written is what writers came to.
type written struct {
	perSecond float64
	times     []float64 // ms
}

func (w *writers) stop() written {
	took := time.Since(w.begin)
	w.cancel()
	<-w.over
	return written{float64(len(w.times)) / took.Seconds(), w.times}
}
