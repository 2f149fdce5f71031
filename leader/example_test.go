// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"time"

	"go.uber.org/zap"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/leader"
)

// A worker of which one runs at a time, in however many processes it is started.
func Example() {
	client, ctx := newClient(), context.Background()

	work := func(ctx context.Context, term *concurrency.Term) error {
		for item := range 3 {
			if err := context.Cause(ctx); err != nil {
				return err // the next leader goes on
			}
			fmt.Println("working on item", item)
		}
		return nil // all is done: Run returns as well
	}
	err := leader.Run(ctx, leader.Config{Client: client, Election: "example/worker", Logger: quietLogger}, work)
	fmt.Println("run:", err)

	// Output:
	// working on item 0
	// working on item 1
	// working on item 2
	// run: <nil>
}

// A cron job that must not run twice for one day, even if a leader was paused in the
// middle of it and wakes up when another one leads. What makes it so is the
// fence, and not the context: the mark of a day is written only by who leads at
// that very revision, and only once.
func Example_cron() {
	client, ctx := newClient(), context.Background()

	// claim marks the day as done by this term, and tells whether to do it.
	claim := func(ctx context.Context, term *concurrency.Term, day string) (bool, error) {
		mark := "example/cron-done/" + day
		resp, err := client.Txn(ctx).
			If(term.Fence(), clientv3.Compare(clientv3.CreateRevision(mark), "=", 0)).
			Then(clientv3.OpPut(mark, term.Key())).
			Commit()
		if err != nil {
			return false, err
		}
		return resp.Succeeded, nil
	}

	var stale *concurrency.Term
	job := func(ctx context.Context, term *concurrency.Term) error {
		for _, day := range []string{"monday", "tuesday", "tuesday"} {
			mine, err := claim(ctx, term, day)
			if err != nil {
				return err
			}
			fmt.Println(day, "runs:", mine)
		}
		stale = term
		return nil
	}
	cfg := leader.Config{Client: client, Election: "example/cron", Logger: quietLogger}
	if err := leader.Run(ctx, cfg, job); err != nil {
		log.Fatal(err)
	}

	// A leader that was paused until its term was over cannot mark a day.
	mine, err := claim(ctx, stale, "wednesday")
	fmt.Println("wednesday, by who no longer leads:", mine, err)

	// Output:
	// monday runs: true
	// tuesday runs: true
	// tuesday runs: false
	// wednesday, by who no longer leads: false <nil>
}

// An HTTP service in which every instance answers: the leader by itself, and the
// others by asking the leader, at the address that it has proclaimed.
func Example_forward() {
	client := newClient()
	ctx, stop := context.WithCancel(context.Background())

	// start starts an instance, and returns its address and its Runner.
	start := func(name string) (string, *leader.Runner) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		address := "http://" + listener.Addr().String()
		runner, err := leader.New(leader.Config{
			Client: client, Election: "example/forward", Value: address, Logger: quietLogger,
		})
		if err != nil {
			log.Fatal(err)
		}
		handler := func(w http.ResponseWriter, r *http.Request) {
			switch s := runner.Status(); {
			case s.State == leader.StateLeading:
				fmt.Fprintln(w, name, "answers")
			case s.Leader.Value == "" || s.Leader.Value == address || r.Header.Get("Forwarded") != "":
				http.Error(w, "nobody leads just now", http.StatusServiceUnavailable)
			default:
				to, err := url.Parse(s.Leader.Value)
				if err != nil {
					http.Error(w, err.Error(), http.StatusBadGateway)
					return
				}
				r.Header.Set("Forwarded", "by="+name) // once is enough
				httputil.NewSingleHostReverseProxy(to).ServeHTTP(w, r)
			}
		}
		server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(handler)}}
		server.Start()
		go func() {
			defer server.Close()
			_ = runner.Run(ctx, func(ctx context.Context, _ *concurrency.Term) error {
				<-ctx.Done()
				return nil
			})
		}()
		return address, runner
	}
	get := func(address string) {
		resp, err := http.Get(address)
		if err != nil {
			log.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(string(body))
	}

	one, first := start("one")
	until(first, func(s leader.Status) bool { return s.State == leader.StateLeading })
	two, second := start("two")
	until(second, func(s leader.Status) bool { return s.State == leader.StateQueued && s.Leader.Value == one })
	get(one)
	get(two)

	if err := first.StepDown(ctx); err != nil {
		log.Fatal(err)
	}
	until(second, func(s leader.Status) bool { return s.State == leader.StateLeading })
	until(first, func(s leader.Status) bool { return s.Leader.Value == two })
	get(one)

	stop()
	until(first, func(s leader.Status) bool { return s.State == leader.StateStopped })
	until(second, func(s leader.Status) bool { return s.State == leader.StateStopped })
	http.DefaultClient.CloseIdleConnections()

	// Output:
	// one answers
	// one answers
	// two answers
}

// A function may ask why it has to stop.
func ExampleEndError() {
	client := newClient()
	ctx, stop := context.WithCancel(context.Background())
	err := leader.Run(ctx, leader.Config{Client: client, Election: "example/end", Logger: quietLogger},
		func(ctx context.Context, _ *concurrency.Term) error {
			stop() // the process is told to end
			<-ctx.Done()
			var end *leader.EndError
			if errors.As(context.Cause(ctx), &end) {
				fmt.Println("reason:", end.Reason)
				fmt.Println("lost:", end.Reason.Lost())
			}
			return nil
		})
	fmt.Println("run:", err)

	// Output:
	// reason: stopped
	// lost: false
	// run: context canceled
}

// For a load balancer that shall send requests to the leader, and for whoever asks
// whether a process is well.
func ExampleRunner_Handler() {
	runner, err := leader.New(leader.Config{Client: newClient(), Election: "example/handler", Logger: quietLogger})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/election", runner.Handler())
	get := func(target string) {
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, target, nil))
		fmt.Println(target, rec.Code)
	}

	get("/election") // it does not run yet
	err = runner.Run(context.Background(), func(context.Context, *concurrency.Term) error {
		get("/election")
		get("/election?leader=1")
		return nil
	})
	fmt.Println("run:", err)

	// Output:
	// /election 503
	// /election 200
	// /election?leader=1 200
	// run: <nil>
}

// until waits until a Runner's status is as wanted.
func until(r *leader.Runner, wanted func(leader.Status) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	for s := range r.Changes(ctx) {
		if wanted(s) {
			return
		}
	}
	log.Fatalf("never reached; %+v", r.Status())
}

var quietLogger = slog.New(slog.NewTextHandler(io.Discard, nil))

// exampleEtcd is the etcd of all examples.
var exampleEtcd struct {
	server *embed.Etcd
	client *clientv3.Client
}

// newClient returns a client of an etcd in this process.
func newClient() *clientv3.Client {
	if exampleEtcd.client != nil {
		return exampleEtcd.client
	}
	dir, err := os.MkdirTemp("", "example-etcd")
	if err != nil {
		log.Fatal(err)
	}
	cfg := embed.NewConfig()
	cfg.Dir, cfg.LogLevel, cfg.UnsafeNoFsync = dir, "fatal", true
	anyPort := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg.ListenClientUrls, cfg.ListenPeerUrls = []url.URL{anyPort}, []url.URL{anyPort}
	server, err := embed.StartEtcd(cfg)
	if err != nil {
		log.Fatal(err)
	}
	select {
	case <-server.Server.ReadyNotify():
	case <-time.After(bound):
		log.Fatal("etcd does not start")
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{server.Clients[0].Addr().String()}, Logger: zap.NewNop()})
	if err != nil {
		log.Fatal(err)
	}
	exampleEtcd.server, exampleEtcd.client = server, client
	return client
}

func stopExampleEtcd() {
	if exampleEtcd.client == nil {
		return
	}
	exampleEtcd.client.Close()
	exampleEtcd.server.Close()
	os.RemoveAll(exampleEtcd.server.Config().Dir)
}
