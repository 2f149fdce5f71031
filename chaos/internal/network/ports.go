// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package network

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports that are looked for are below those that systems give to outgoing
// connections: else such a connection could take the port of a member that was
// killed, or of a link that is cut, before it listens again.
const (
	lowestPort  = 10000
	highestPort = 32000
)

var (
	portsMu sync.Mutex
	taken   = make(map[int]bool)
)

// FreePort returns a port that is free on all the given hosts, and that it has
// not returned before.
func FreePort(hosts ...string) (int, error) {
	portsMu.Lock()
	defer portsMu.Unlock()
	var last error
	for range 200 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if taken[port] {
			continue
		}
		if last = free(port, hosts); last == nil {
			taken[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port on %v: %w", hosts, errors.Join(errors.New("200 tries failed"), last))
}

func free(port int, hosts []string) error {
	for _, host := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return err
		}
		_ = l.Close()
	}
	return nil
}
