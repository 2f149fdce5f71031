// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package trial

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-da5263fb/concurrency/chaos/internal/fault"
	"github.com/seed-da5263fb/concurrency/chaos/internal/network"
)

// A linkWay is a link, and what of it is to fail.
type linkWay struct {
	*network.Link
	way fault.Way
}

// atClient does what is to happen between a worker and some members.
func (in *injector) atClient(a *fault.Applied) (func() error, error) {
	a.Target = fmt.Sprintf("w%d-%v", a.Worker, a.Members)
	var ls []linkWay
	for _, m := range a.Members {
		ls = append(ls, linkWay{in.crew.links[a.Worker][m], a.Way})
	}
	return in.atLinks(a, ls)
}

// atPeers does what is to happen between a member and some of the others. Each
// pair has two links, one for the connections that each side opens.
func (in *injector) atPeers(ctx context.Context, a *fault.Applied) (func() error, error) {
	m, err := in.member(ctx, a)
	if err != nil {
		return nil, err
	}
	opposite := map[fault.Way]fault.Way{fault.There: fault.Back, fault.Back: fault.There, fault.Both: fault.Both}
	var ls []linkWay
	for _, p := range a.Peers {
		other := (m + 1 + p) % members
		a.Target += fmt.Sprintf(", m%d", other)
		ls = append(ls, linkWay{in.cluster.peers[m][other], a.Way}, linkWay{in.cluster.peers[other][m], opposite[a.Way]})
	}
	return in.atLinks(a, ls)
}

func (in *injector) atLinks(a *fault.Applied, links []linkWay) (func() error, error) {
	var names []string
	for _, l := range links {
		names = append(names, l.Name())
	}
	release, err := in.claim(names...)
	if err != nil {
		return nil, err
	}
	undo := func() error {
		defer release()
		var errs error
		for _, l := range links {
			errs = errors.Join(errs, l.Heal())
		}
		return errs
	}
	for _, l := range links {
		err = errors.Join(err, l.fail(a.Fault))
	}
	return undo, err
}

func (l linkWay) fail(f fault.Fault) error {
	if f.Kind == fault.ClientCut || f.Kind == fault.PeerCut {
		return l.Cut()
	}
	ways := map[fault.Way][]network.Direction{
		fault.There: {network.ToServer}, fault.Back: {network.ToClient}, fault.Both: {network.ToServer, network.ToClient},
	}
	var errs error
	for _, d := range ways[l.way] {
		switch {
		case f.Kind == fault.ClientSilence || f.Kind == fault.PeerSilence:
			errs = errors.Join(errs, l.Silence(d))
		case f.KBps > 0:
			errs = errors.Join(errs, l.Narrow(d, f.KBps))
		default:
			errs = errors.Join(errs, l.Slow(d, f.Latency, f.Latency/2))
		}
	}
	return errs
}
