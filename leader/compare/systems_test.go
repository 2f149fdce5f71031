// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package compare

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"github.com/seed-da5263fb/concurrency/etcdtest"
)

func init() {
	klog.SetLogger(logr.Discard())
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
}

// A system runs candidates, and faults between them and what they elect by.
type system interface {
	// start runs a candidate until ctx ends.
	start(ctx context.Context, who string, work func(context.Context)) error
	// silence loses all requests of a candidate, until heal.
	silence(who string)
	// slow makes each request take d longer, half of it on each way.
	slow(who string, d time.Duration)
	heal(who string)
}

const (
	leaderRun       = "leader.Run"
	clientGo        = "client-go"
	clientGoRelease = "client-go, ReleaseOnCancel"
)

func newSystem(t *testing.T, name string) system {
	if name == leaderRun {
		return &etcdSystem{etcdtest.New(t)}
	}
	return newKube(name == clientGoRelease)
}

type etcdSystem struct{ *etcdtest.Etcd }

func (s *etcdSystem) start(ctx context.Context, who string, work func(context.Context)) error {
	return WithLeader(ctx, s.Client(who), who, work)
}
func (s *etcdSystem) silence(who string)               { s.Link(who).Swallow() }
func (s *etcdSystem) slow(who string, d time.Duration) { s.Link(who).Delay(d/2, 0) }
func (s *etcdSystem) heal(who string)                  { s.Link(who).Heal() }

// kube is client-go's fake clientset, with what the fake leaves out: an update of
// what has changed in the meantime is refused.
type kube struct {
	clientset *fake.Clientset
	release   bool

	mu     sync.Mutex
	faults map[string]fault
}

type fault struct {
	silent bool
	delay  time.Duration
}

func newKube(release bool) *kube {
	k := &kube{clientset: fake.NewClientset(), release: release, faults: make(map[string]fault)}
	var mu sync.Mutex
	version := 0
	k.clientset.PrependReactor("*", "leases", func(action k8stesting.Action) (bool, runtime.Object, error) {
		write, ok := action.(k8stesting.CreateAction) // an update has the same methods
		if !ok {
			return false, nil, nil
		}
		mu.Lock()
		defer mu.Unlock()
		lease := write.GetObject().(*coordinationv1.Lease).DeepCopy()
		resource := schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
		tracker := k.clientset.Tracker()
		if action.GetVerb() == "update" && lease.ResourceVersion != strconv.Itoa(version) {
			return true, nil, apierrors.NewConflict(resource.GroupResource(), lease.Name, nil)
		}
		lease.ResourceVersion = strconv.Itoa(version + 1)
		var err error
		if action.GetVerb() == "create" {
			err = tracker.Create(resource, lease, lease.Namespace)
		} else {
			err = tracker.Update(resource, lease, lease.Namespace)
		}
		if err != nil {
			return true, nil, err
		}
		version++
		return true, lease, nil
	})
	return k
}

func (k *kube) start(ctx context.Context, who string, work func(context.Context)) error {
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Name: "service", Namespace: "default"},
		Client:     k.clientset.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: who},
	}
	return WithClientGo(ctx, &link{lock, k, who}, k.release, work, func() {})
}

func (k *kube) silence(who string)               { k.set(who, fault{silent: true}) }
func (k *kube) slow(who string, d time.Duration) { k.set(who, fault{delay: d}) }
func (k *kube) heal(who string)                  { k.set(who, fault{}) }

func (k *kube) set(who string, f fault) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults[who] = f
}

// link is the network between a candidate and the fake. A request is given up when its
// context ends, or after half of RenewDeadline: the timeout that client-go's own
// resourcelock.NewFromKubeconfig gives its client.
type link struct {
	resourcelock.Interface
	kube *kube
	who  string
}

const requestTimeout = 5 * time.Second

// cross takes one way over the network.
func (l *link) cross(ctx context.Context) error {
	l.kube.mu.Lock()
	f := l.kube.faults[l.who]
	l.kube.mu.Unlock()
	if f.silent {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-time.After(f.delay / 2):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *link) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := l.cross(ctx); err != nil {
		return nil, nil, err
	}
	record, raw, err := l.Interface.Get(ctx)
	if crossErr := l.cross(ctx); crossErr != nil {
		return nil, nil, crossErr
	}
	return record, raw, err
}

func (l *link) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, func(ctx context.Context) error { return l.Interface.Create(ctx, r) })
}

func (l *link) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, func(ctx context.Context) error { return l.Interface.Update(ctx, r) })
}

func (l *link) write(ctx context.Context, write func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := l.cross(ctx); err != nil {
		return err
	}
	err := write(ctx)
	if crossErr := l.cross(ctx); crossErr != nil {
		return crossErr
	}
	return err
}
