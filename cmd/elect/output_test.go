// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency"
)

func TestTablesAreAligned(t *testing.T) {
	tab := columns("NAME", ">COUNT", "VALUE")
	tab.row("a", "1", "first")
	tab.row("東京", "1000", "")
	tab.row("a-longer-name", "20", "third")
	var out bytes.Buffer
	require.NoError(t, tab.write(&out))
	require.Equal(t, strings.Join([]string{
		"NAME           COUNT  VALUE",
		"a                  1  first",
		"東京            1000",
		"a-longer-name     20  third",
		"",
	}, "\n"), out.String())
}

func TestJSONIsOneLineThatATerminalDoesNotObey(t *testing.T) {
	var out bytes.Buffer
	c := concurrency.Candidate{Key: "a/1f", Value: "<b>\n\x1b[2J\u009b1m\u202e\xff", Rev: 7, ModRev: 8, Lease: 0x1f}
	require.NoError(t, writeJSON(&out, newCandidateJSON(c)))
	require.Equal(t, `{"key":"a/1f","value":"<b>\n\u001b[2J\u009b1m\u202e\ufffd","value_base64":"PGI+ChtbMkrCmzFt4oCu/w==",`+
		`"lease":"1f","revision":7,"value_revision":8}`+"\n", out.String())
	var back candidateJSON
	require.NoError(t, json.Unmarshal(out.Bytes(), &back))
	value, err := base64.StdEncoding.DecodeString(back.ValueBase64)
	require.NoError(t, err)
	require.Equal(t, c.Value, string(value))
}
