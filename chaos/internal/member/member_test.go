// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build linux

package member

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/chaos/internal/history"
	"github.com/seed-da5263fb/concurrency/chaos/internal/network"
	"github.com/seed-da5263fb/concurrency/chaos/internal/proc"
)

func TestMain(m *testing.M) {
	if proc.Role() == Role {
		if err := Main(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestAMemberTellsOfTheLeasesThatItRevokesAndNoClientDoes(t *testing.T) {
	var ports [3]int
	for i := range ports {
		port, err := network.FreePort("127.0.0.1", LinkHost(0, 0))
		require.NoError(t, err)
		ports[i] = port
	}
	address := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	config := Config{
		Dir: t.TempDir(), Logs: t.TempDir(),
		Clients: []string{address(ports[0])}, Peers: []string{address(ports[1])}, Links: ports[2:],
	}
	told := make(chan history.Revocation, 10)
	p, err := proc.Start(Role, config.Arg(), func(r io.Reader) {
		defer close(told)
		var v history.Revocation
		for in := json.NewDecoder(r); in.Decode(&v) == nil; {
			told <- v
		}
	})
	require.NoError(t, err)
	defer p.Kill()
	client, err := clientv3.New(clientv3.Config{Endpoints: config.Clients, Logger: zap.NewNop()})
	require.NoError(t, err)
	defer client.Close()

	revoked, err := client.Grant(t.Context(), 60)
	require.NoError(t, err)
	expires, err := client.Grant(t.Context(), 1)
	require.NoError(t, err)
	_, err = client.Revoke(t.Context(), revoked.ID)
	require.NoError(t, err)

	select {
	case v := <-told:
		require.Equal(t, history.Revocation{At: v.At, Lease: int64(expires.ID), Term: expires.RaftTerm, Leader: true}, v)
		require.LessOrEqual(t, v.At, proc.Now())
	case <-time.After(20 * time.Second):
		require.Fail(t, "no revocation was told")
	}
	p.Stop(20 * time.Second)
	require.Empty(t, told, "a client's revocation was told")
	log, err := os.ReadFile(config.Log(0))
	require.NoError(t, err)
	require.Contains(t, string(log), "revokes a lease that it has found expired")
}
