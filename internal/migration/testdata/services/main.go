// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Services serves etcd's election and lock services, built on the package that
// their copies beside it import, for the etcd that its argument names. It says
// where it listens, and ends when its standard input does.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/grpc"

	"migrated/v3election"
	"migrated/v3lock"
)

func main() {
	client, err := clientv3.New(clientv3.Config{Endpoints: os.Args[1:]})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	v3electionpb.RegisterElectionServer(server, v3election.NewElectionServer(client))
	v3lockpb.RegisterLockServer(server, v3lock.NewLockServer(client))
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Stop()
	}()
	fmt.Println(listener.Addr())
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
	_ = client.Close()
}
