// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package migration

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"

	"github.com/seed-da5263fb/concurrency"
)

// A service is where elections and locks are asked for over gRPC.
type service struct {
	v3electionpb.ElectionClient
	v3lockpb.LockClient
}

func dial(t *testing.T, address string) service {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return service{v3electionpb.NewElectionClient(conn), v3lockpb.NewLockClient(conn)}
}

// startServices returns the services that the member comes with, and the migrated
// ones, which are a process of their own.
func startServices(t *testing.T, m *member) (original, migrated service) {
	t.Helper()
	p := start(t, build(t).services, m.endpoint)
	timeout := time.After(bound)
	for {
		text, more := p.output()
		if address, _, whole := strings.Cut(text, "\n"); whole {
			return dial(t, m.endpoint), dial(t, address)
		}
		select {
		case <-more:
		case <-timeout:
			require.Failf(t, "waited for the services", "%s", text)
		}
	}
}

// eachWay runs a test with the two services in both roles.
func eachWay(t *testing.T, test func(t *testing.T, m *member, first, second service)) {
	t.Parallel()
	build(t)
	m := startMember(t)
	original, migrated := startServices(t, m)
	t.Run("OriginalFirst", func(t *testing.T) { test(t, m, original, migrated) })
	t.Run("MigratedFirst", func(t *testing.T) { test(t, m, migrated, original) })
}

func (m *member) lease(t *testing.T) int64 {
	t.Helper()
	resp, err := m.client.Grant(limit(t), 60)
	require.NoError(t, err)
	return int64(resp.ID)
}

// inBackground makes a call that waits, and returns where its answer will be.
func inBackground[T any](t *testing.T, call func(context.Context) (T, error)) <-chan T {
	ctx := limit(t)
	answer := make(chan T, 1)
	go func() {
		resp, err := call(ctx)
		if err == nil {
			answer <- resp
		}
		close(answer)
	}()
	return answer
}

// receive waits for an answer.
func receive[T any](t *testing.T, answers <-chan T) T {
	t.Helper()
	select {
	case answer, ok := <-answers:
		require.True(t, ok, "the call failed")
		return answer
	case <-time.After(bound):
		require.Fail(t, "no answer")
	}
	panic("unreachable")
}

func requireNone[T any](t *testing.T, answers <-chan T) {
	t.Helper()
	select {
	case answer := <-answers:
		require.Failf(t, "answered too early", "%v", answer)
	default:
	}
}

func (s service) campaign(t *testing.T, name string, lease int64, value string) <-chan *v3electionpb.LeaderKey {
	return inBackground(t, func(ctx context.Context) (*v3electionpb.LeaderKey, error) {
		resp, err := s.Campaign(ctx, &v3electionpb.CampaignRequest{Name: []byte(name), Lease: lease, Value: []byte(value)})
		return resp.GetLeader(), err
	})
}

func (s service) leader(t *testing.T, name string) string {
	t.Helper()
	resp, err := s.Leader(limit(t), &v3electionpb.LeaderRequest{Name: []byte(name)})
	require.NoError(t, err)
	return string(resp.Kv.Value)
}

func (s service) resign(t *testing.T, leader *v3electionpb.LeaderKey) {
	t.Helper()
	_, err := s.Resign(limit(t), &v3electionpb.ResignRequest{Leader: leader})
	require.NoError(t, err)
}

// TestALeaderOfOneServiceIsServedByTheOther is what happens while a client's
// requests go to members, or to services, of both kinds.
func TestALeaderOfOneServiceIsServedByTheOther(t *testing.T) {
	eachWay(t, func(t *testing.T, m *member, first, second service) {
		name, lease := t.Name(), m.lease(t)
		leader := receive(t, first.campaign(t, name, lease, "won"))
		kv := m.queue(t, name).Kvs[0]
		require.Equal(t, keyOf(name, lease), string(leader.Key))
		require.Equal(t, [3]any{name, kv.CreateRevision, lease}, [3]any{string(leader.Name), leader.Rev, leader.Lease})
		require.Equal(t, "won", second.leader(t, name))

		_, err := second.Proclaim(limit(t), &v3electionpb.ProclaimRequest{Leader: leader, Value: []byte("proclaimed")})
		require.NoError(t, err)
		require.Equal(t, "proclaimed", first.leader(t, name))
		kv = m.queue(t, name).Kvs[0]
		require.Equal(t, lease, kv.Lease, "the key stays on its lease")
		require.Equal(t, leader.Rev, kv.CreateRevision, "and keeps its place")

		second.resign(t, leader)
		require.Empty(t, m.queue(t, name).Kvs)
	})
}

func TestCandidatesOfBothServicesQueueUpTogether(t *testing.T) {
	eachWay(t, func(t *testing.T, m *member, first, second service) {
		name := t.Name()
		var answers []<-chan *v3electionpb.LeaderKey
		for i := range 6 {
			s := []service{first, second}[i%2]
			answers = append(answers, s.campaign(t, name, m.lease(t), string(rune('a'+i))))
			m.awaitQueue(t, name, i+1)
		}
		for i, answer := range answers {
			leader := receive(t, answer)
			require.Equal(t, string(rune('a'+i)), first.leader(t, name))
			require.Equal(t, string(rune('a'+i)), second.leader(t, name))
			for _, later := range answers[i+1:] {
				requireNone(t, later)
			}
			[]service{second, first}[i%2].resign(t, leader) // each by the other service
		}
	})
}

func TestBothServicesObserveTheSame(t *testing.T) {
	eachWay(t, func(t *testing.T, m *member, first, second service) {
		name := t.Name()
		var observers []v3electionpb.Election_ObserveClient
		for _, s := range []service{first, second} {
			o, err := s.Observe(limit(t), &v3electionpb.LeaderRequest{Name: []byte(name)})
			require.NoError(t, err)
			observers = append(observers, o)
		}
		for i, value := range []string{"a", "b", "c"} {
			s := []service{first, second}[i%2]
			leader := receive(t, s.campaign(t, name, m.lease(t), value))
			for _, o := range observers {
				resp, err := o.Recv()
				require.NoError(t, err)
				require.Equal(t, value, string(resp.Kv.Value))
				require.Equal(t, leader.Key, resp.Kv.Key)
				require.Equal(t, leader.Rev, resp.Kv.CreateRevision)
			}
			s.resign(t, leader)
		}
	})
}

func TestBothServicesRefuseAlike(t *testing.T) {
	eachWay(t, func(t *testing.T, m *member, first, second service) {
		name := t.Name()
		gone := receive(t, first.campaign(t, name, m.lease(t), "gone"))
		first.resign(t, gone)
		for request, call := range map[string]func(service) error{
			"LeaderOfNobody": func(s service) error {
				_, err := s.Leader(limit(t), &v3electionpb.LeaderRequest{Name: []byte(name)})
				return err
			},
			"ProclaimWithoutALeaderKey": func(s service) error {
				_, err := s.Proclaim(limit(t), &v3electionpb.ProclaimRequest{})
				return err
			},
			"ResignWithoutALeaderKey": func(s service) error {
				_, err := s.Resign(limit(t), &v3electionpb.ResignRequest{})
				return err
			},
			"ProclaimAfterTheTerm": func(s service) error {
				_, err := s.Proclaim(limit(t), &v3electionpb.ProclaimRequest{Leader: gone})
				return err
			},
			"CampaignWithALeaseThatIsNotThere": func(s service) error {
				_, err := s.Campaign(limit(t), &v3electionpb.CampaignRequest{Name: []byte(name), Lease: 12345})
				return err
			},
			"LockWithALeaseThatIsNotThere": func(s service) error {
				_, err := s.Lock(limit(t), &v3lockpb.LockRequest{Name: []byte(name), Lease: 12345})
				return err
			},
		} {
			t.Run(request, func(t *testing.T) {
				want, got := status.Convert(call(first)), status.Convert(call(second))
				require.NotEmpty(t, want.Message())
				require.Equal(t, want.Message(), got.Message())
				require.Equal(t, want.Code(), got.Code())
			})
		}
		_, err := second.Resign(limit(t), &v3electionpb.ResignRequest{Leader: gone})
		require.NoError(t, err, "to resign after the term does nothing")
	})
}

func (s service) lock(t *testing.T, name string, lease int64) <-chan *v3lockpb.LockResponse {
	return inBackground(t, func(ctx context.Context) (*v3lockpb.LockResponse, error) {
		return s.Lock(ctx, &v3lockpb.LockRequest{Name: []byte(name), Lease: lease})
	})
}

func TestLocksOfBothServicesExcludeEachOther(t *testing.T) {
	eachWay(t, func(t *testing.T, m *member, first, second service) {
		name := t.Name()
		var answers []<-chan *v3lockpb.LockResponse
		var leases []int64
		for i := range 6 {
			s := []service{first, second}[i%2]
			leases = append(leases, m.lease(t))
			answers = append(answers, s.lock(t, name, leases[i]))
			m.awaitQueue(t, name, i+1)
		}
		for i, answer := range answers {
			held := receive(t, answer)
			require.Equal(t, keyOf(name, leases[i]), string(held.Key))
			for _, later := range answers[i+1:] {
				requireNone(t, later)
			}
			_, err := []service{second, first}[i%2].Unlock(limit(t), &v3lockpb.UnlockRequest{Key: held.Key})
			require.NoError(t, err)
		}
	})
}

// TestAWaiterOfTheServiceIsToldThatItsLeaseIsGone is where the two services
// differ: the original waits on for a leadership that it cannot have.
func TestAWaiterOfTheServiceIsToldThatItsLeaseIsGone(t *testing.T) {
	t.Parallel()
	build(t)
	m := startMember(t)
	original, migrated := startServices(t, m)
	name, lease := t.Name(), m.lease(t)
	receive(t, original.campaign(t, name, m.lease(t), "leader"))
	answer := make(chan error, 1)
	ctx := limit(t)
	go func() {
		_, err := migrated.Campaign(ctx, &v3electionpb.CampaignRequest{Name: []byte(name), Lease: lease})
		answer <- err
	}()
	m.awaitQueue(t, name, 2)
	_, err := m.client.Revoke(limit(t), clientv3.LeaseID(lease))
	require.NoError(t, err)
	require.Equal(t, concurrency.ErrKeyDeleted.Error(), status.Convert(<-answer).Message())
}

// TestAClientOfTheServiceAndThePackageShareAnElection is for a fleet of which only
// some processes are in Go.
func TestAClientOfTheServiceAndThePackageShareAnElection(t *testing.T) {
	t.Parallel()
	m := startMember(t)
	service := dial(t, m.endpoint) // etcd's own
	name := t.Name()
	leader := receive(t, service.campaign(t, name, m.lease(t), "service"))

	s, err := concurrency.NewSession(m.client)
	require.NoError(t, err)
	e := concurrency.NewElection(s, name)
	won := inBackground(t, func(ctx context.Context) (bool, error) { return true, e.Campaign(ctx, "package") })
	m.awaitQueue(t, name, 2)
	requireNone(t, won)
	service.resign(t, leader)
	receive(t, won)
	require.Equal(t, "package", service.leader(t, name))

	next := service.campaign(t, name, m.lease(t), "service again")
	m.awaitQueue(t, name, 2)
	requireNone(t, next)
	require.NoError(t, e.Resign(limit(t)))
	receive(t, next)
	resp, err := e.Leader(limit(t))
	require.NoError(t, err)
	require.Equal(t, "service again", string(resp.Kvs[0].Value))
}
