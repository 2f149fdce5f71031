// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/seed-da5263fb/concurrency/internal/tool"
)

// startWithin is how long a server may take until it is healthy.
const startWithin = 30 * time.Second

// server is an etcd server of one member in a process of its own.
type server struct {
	endpoint string // host:port for clients

	dir    string
	cancel context.CancelFunc
	exited chan struct{} // closed when the process is gone
}

// start starts a server on free ports of loopback, and returns when it is healthy.
func start(ctx context.Context, binary string) (*server, error) {
	ports, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "concurrency-etcd-")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &server{endpoint: ports[0], dir: dir, cancel: cancel, exited: make(chan struct{})}
	if err := s.launch(ctx, binary, "http://"+ports[0], "http://"+ports[1]); err != nil {
		close(s.exited) // it never was
		return nil, errors.Join(err, s.stop())
	}
	if err := s.healthy(ctx); err != nil {
		log, _ := os.ReadFile(s.log())
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, bytes.TrimSpace(log)), s.stop())
	}
	return s, nil
}

func (s *server) log() string { return filepath.Join(s.dir, "log") }

func (s *server) launch(ctx context.Context, binary, client, peer string) error {
	log, err := os.Create(s.log())
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own
	cmd := tool.Command(ctx, s.dir, nil, binary,
		"--name=s1",
		"--data-dir="+filepath.Join(s.dir, "data"),
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=s1="+peer,
		"--log-level=warn", "--unsafe-no-fsync",
	)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	go s.reap(ctx, cmd)
	return nil
}

func (s *server) reap(ctx context.Context, cmd *exec.Cmd) {
	defer close(s.exited)
	_ = tool.Wait(ctx, cmd) // a server that is stopped, or dies, has nothing to say but in its log
}

// healthy waits until the server says that it is.
func (s *server) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startWithin, fmt.Errorf("not healthy within %s", startWithin))
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if s.ask(ctx) {
			return nil
		}
		select {
		case <-again.C:
		case <-s.exited:
			return errors.New("the server ended")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *server) ask(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.endpoint+"/health", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK
}

// stop ends the server, waits until it is gone, and removes its files.
func (s *server) stop() error {
	s.cancel()
	<-s.exited
	return os.RemoveAll(s.dir)
}

// freeAddresses returns addresses on loopback that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // only at the end, so that all differ
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
