// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package member

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// A member has one address for all its peers: it is part of the membership, and
// the member's ID is a hash of it. For each pair of members to have links of its
// own all the same, that address is a name, which every member's process resolves
// in its own way: to an address of loopback where its link to that peer listens.

// hostName returns the name of member i, in no domain that exists.
func hostName(i int) string { return fmt.Sprintf("m%d.chaos.invalid", i) }

// LinkHost returns where the link from member i to member j listens.
func LinkHost(i, j int) string { return fmt.Sprintf("127.0.%d.%d", 10+i, 10+j) }

// resolveFor makes this process resolve names as member i of so many.
func resolveFor(i, members int) {
	hosts := make(map[string][4]byte)
	for j := range members {
		hosts[hostName(j)] = [4]byte(net.ParseIP(LinkHost(i, j)).To4())
	}
	net.DefaultResolver = &net.Resolver{
		PreferGo: true,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				_ = answer(theirs, hosts)
			}()
			return ours, nil
		},
	}
}

// answer serves DNS on a stream, where each message is preceded by its length.
func answer(conn io.ReadWriter, hosts map[string][4]byte) error {
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return err
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return err
		}
		reply, err := reply(query, hosts)
		if err != nil {
			return err
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return err
		}
	}
}

func reply(query []byte, hosts map[string][4]byte) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	question, err := p.Question()
	if err != nil {
		return nil, err
	}
	msg := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true},
		Questions: []dnsmessage.Question{question},
	}
	host, known := hosts[strings.TrimSuffix(question.Name.String(), ".")]
	switch {
	case !known:
		msg.RCode = dnsmessage.RCodeNameError
	case question.Type == dnsmessage.TypeA:
		msg.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 3600},
			Body:   &dnsmessage.AResource{A: host},
		}}
	}
	return msg.Pack()
}
