// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed-da5263fb/concurrency/leader"
	"github.com/seed-da5263fb/concurrency/leader/leaderprom"
)

// serveStatus serves the Runner's status at / and its metrics at /metrics, until the
// returned function is called, and tells where.
func serveStatus(address string, r *leader.Runner, stderr io.Writer) (func(), error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--status-listen: %w: give another host:port", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(leaderprom.NewCollector(r), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("/{$}", r.Handler())
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // until Close
	}()
	fmt.Fprintf(stderr, "elect: status at http://%s/, metrics at http://%[1]s/metrics\n", listener.Addr())
	return func() {
		_ = server.Close()
		<-served
	}, nil
}
