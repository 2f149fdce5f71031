// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build linux

package member

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNames(t *testing.T) {
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	lookup := func(as int, name string) ([]string, error) {
		resolveFor(as, 3)
		return net.DefaultResolver.LookupHost(t.Context(), name)
	}
	t.Run("LeadEachMemberToItsOwnLinks", func(t *testing.T) {
		for i := range 3 {
			for j := range 3 {
				addrs, err := lookup(i, hostName(j))
				require.NoError(t, err)
				require.Equal(t, []string{LinkHost(i, j)}, addrs)
			}
		}
	})
	t.Run("AreNoOthers", func(t *testing.T) {
		_, err := lookup(0, "m3.chaos.invalid")
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
		require.True(t, dns.IsNotFound)
	})
}
