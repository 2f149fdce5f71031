// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/leader"
)

func TestConfig(t *testing.T) {
	inBubble(t, func(w *world) {
		client := w.etcd.Client("a")
		r, err := leader.New(leader.Config{Client: client, Election: election})
		require.NoError(w, err)
		host, err := os.Hostname()
		require.NoError(w, err)
		require.Equal(w, fmt.Sprintf("%s/%d", host, os.Getpid()), r.Status().Value)
		time.Sleep(time.Minute)
		require.Empty(w, w.etcd.Requests(""), "New asks nothing")

		for _, c := range []struct {
			says   []string
			change func(*leader.Config)
		}{
			{[]string{"Client", "Election"}, func(c *leader.Config) { *c = leader.Config{} }},
			{[]string{"TTL"}, func(c *leader.Config) { c.TTL = 1500 * time.Millisecond }},
			{[]string{"TTL"}, func(c *leader.Config) { c.TTL = -time.Second }},
			{[]string{"Margin is 6s", "from 500ms to 5s"}, func(c *leader.Config) { c.TTL, c.Margin = 10*time.Second, 6*time.Second }},
			{[]string{"Margin"}, func(c *leader.Config) { c.Margin = time.Millisecond }},
			{[]string{"StartTimeout"}, func(c *leader.Config) { c.StartTimeout = -1 }},
			{[]string{"MinTerm"}, func(c *leader.Config) { c.MinTerm = -1 }},
			{[]string{"HealthInterval"}, func(c *leader.Config) { c.HealthInterval = -1 }},
			{[]string{"Overrun"}, func(c *leader.Config) { c.Overrun = 3 }},
		} {
			cfg := leader.Config{Client: client, Election: election}
			c.change(&cfg)
			_, err := leader.New(cfg)
			for _, s := range c.says {
				require.ErrorContains(w, err, s)
			}
			require.Equal(w, len(strings.Split(err.Error(), "\n")), strings.Count(err.Error(), "leader: "))
			require.Equal(w, err.Error(), leader.Run(w.Context(), cfg, untilEnd).Error())
		}
	})
}

// Such clients exist: they are made for some other test, of fields that this package
// does not need.
func TestAClientThatCanMakeNoSessionIsRefused(t *testing.T) {
	for _, client := range []*clientv3.Client{clientv3.NewCtxClient(context.Background()), {}} {
		_, err := leader.New(leader.Config{Client: client, Election: election})
		require.ErrorContains(t, err, "leader: ")
		require.ErrorContains(t, err, "needs a client with a Lease")
	}
}
