// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// The conformance suite sends the same requests to etcdtest and to a real etcd, and compares every answer: the whole
// message, headers' revisions included, or the error's code and text. It speaks to both below the client's API, so that
// it can send what no client would. Only what no two clusters share is left out: the ids and the term in headers.

// server is one of the two that are compared.
type server struct {
	name string
	conn *grpc.ClientConn
}

// realEtcd starts one member in this process and returns its client.
func realEtcd(t testing.TB) *clientv3.Client {
	t.Helper()
	cfg := embed.NewConfig()
	cfg.Dir = t.TempDir()
	cfg.UnsafeNoFsync = true
	cfg.LogLevel, cfg.LogOutputs = "fatal", []string{"/dev/null"}
	any := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = any, any
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = any, any
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	e, err := embed.StartEtcd(cfg)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	<-e.Server.ReadyNotify()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{e.Clients[0].Addr().String()}, Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func bothServers(t testing.TB) []server {
	real, fake := realEtcd(t), New(t).Client("conformance")
	return []server{{"etcd", real.ActiveConnection()}, {"etcdtest", fake.ActiveConnection()}}
}

// call sends a request of any kind and returns the answer with what differs between clusters taken out.
func (s server) call(req proto.Message) (proto.Message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	kv, lease := pb.NewKVClient(s.conn), pb.NewLeaseClient(s.conn)
	var resp proto.Message
	var err error
	switch r := proto.Clone(req).(type) {
	case *pb.RangeRequest:
		resp, err = kv.Range(ctx, r)
	case *pb.PutRequest:
		resp, err = kv.Put(ctx, r)
	case *pb.DeleteRangeRequest:
		resp, err = kv.DeleteRange(ctx, r)
	case *pb.TxnRequest:
		resp, err = kv.Txn(ctx, r)
	case *pb.CompactionRequest:
		resp, err = kv.Compact(ctx, r)
	case *pb.LeaseGrantRequest:
		resp, err = lease.LeaseGrant(ctx, r)
	case *pb.LeaseRevokeRequest:
		resp, err = lease.LeaseRevoke(ctx, r)
	case *pb.LeaseTimeToLiveRequest:
		resp, err = lease.LeaseTimeToLive(ctx, r)
	case *pb.LeaseLeasesRequest:
		resp, err = lease.LeaseLeases(ctx, r)
	case *pb.LeaseKeepAliveRequest:
		resp, err = keepAlive(ctx, lease, r)
	default:
		panic(fmt.Sprintf("bug: %T", req))
	}
	if err != nil {
		return nil, err
	}
	normalize(resp)
	return resp, nil
}

func keepAlive(ctx context.Context, lease pb.LeaseClient, r *pb.LeaseKeepAliveRequest) (proto.Message, error) {
	stream, err := lease.LeaseKeepAlive(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(r); err != nil {
		return nil, err
	}
	return stream.Recv()
}

func normalize(m proto.Message) {
	if h, ok := m.(interface{ GetHeader() *pb.ResponseHeader }); ok && h.GetHeader() != nil {
		h.GetHeader().ClusterId, h.GetHeader().MemberId, h.GetHeader().RaftTerm = 0, 0, 0
	}
	switch r := m.(type) {
	case *pb.LeaseTimeToLiveResponse: // in map order, and a moment passes between the two
		slices.SortFunc(r.Keys, slices.Compare)
		if d := r.GrantedTTL - r.TTL; d == 0 || d == 1 {
			r.TTL = r.GrantedTTL
		}
	case *pb.LeaseLeasesResponse: // by expiry, which is a matter of moments too
		slices.SortFunc(r.Leases, func(a, b *pb.LeaseStatus) int { return int(a.ID - b.ID) })
	}
}

// same sends a request to both and requires the same answer.
func same(t require.TestingT, servers []server, req proto.Message) proto.Message {
	var resps [2]proto.Message
	var texts [2]string
	for i, s := range servers {
		resp, err := s.call(req)
		resps[i], texts[i] = resp, text(resp)
		if err != nil {
			texts[i] = "error: " + err.Error()
		}
	}
	require.Equal(t, texts[0], texts[1], "etcd (expected) and etcdtest (actual) on %T %s", req, text(req))
	return resps[0]
}

// text is the message in a canonical form. The one of package prototext inserts spaces at random.
func text(m proto.Message) string {
	if m == nil {
		return ""
	}
	return strings.Join(strings.Fields(fmt.Sprint(m)), " ")
}

// level makes both stand at the same revision, which they do unless an earlier test has failed, so that the next failure
// is one of its own.
func level(t require.TestingT, servers []server) int64 {
	for {
		var revs [2]int64
		for i, s := range servers {
			resp, err := s.call(&pb.RangeRequest{Key: []byte("level")})
			require.NoError(t, err)
			revs[i] = resp.(*pb.RangeResponse).Header.Revision
		}
		if revs[0] == revs[1] {
			return revs[0]
		}
		behind := servers[0]
		if revs[1] < revs[0] {
			behind = servers[1]
		}
		_, err := behind.call(&pb.PutRequest{Key: []byte("level")})
		require.NoError(t, err)
	}
}

// reset leaves both without keys and leases.
func reset(t require.TestingT, servers []server) int64 {
	for _, s := range servers {
		resp, err := s.call(&pb.LeaseLeasesRequest{})
		require.NoError(t, err)
		for _, l := range resp.(*pb.LeaseLeasesResponse).Leases {
			_, err := s.call(&pb.LeaseRevokeRequest{ID: l.ID})
			require.NoError(t, err)
		}
		_, err = s.call(&pb.DeleteRangeRequest{Key: []byte{0}, RangeEnd: []byte{0}})
		require.NoError(t, err)
	}
	return level(t, servers)
}

func TestConformance(t *testing.T) {
	servers := bothServers(t)
	for _, sub := range []struct {
		name string
		run  func(*testing.T, []server)
	}{
		{"Ranges", testRanges},
		{"Puts", testPuts},
		{"Deletes", testDeletes},
		{"Transactions", testTxns},
		{"Compaction", testCompaction},
		{"Leases", testLeases},
		{"ALeaseExpiresAndItsKeyGoes", testExpiry},
		{"RandomOperations", testRandomOperations},
		{"Watches", testWatches},
		{"RandomWatches", testRandomWatches},
	} {
		t.Run(sub.name, func(t *testing.T) {
			reset(t, servers)
			sub.run(t, servers)
		})
	}
}
