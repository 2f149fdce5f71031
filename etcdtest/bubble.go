// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package etcdtest

import (
	_ "unsafe" // for go:linkname

	_ "go.etcd.io/etcd/client/v3" // its variables are initialized before init runs
)

// valCtxCh is a variable of package clientv3: the channel that the context of every watch stream has as its parent's Done,
// made once for the process and never closed. A goroutine of package context waits on it for as long as the stream
// lives. To testing/synctest a wait on a channel from outside the bubble is one that may end at any moment, so as soon
// as there is one watch, the time of the bubble stands still.
//
// A nil Done means the same, never, and package context then starts no goroutine. There is no way to say so from
// outside, and wrapping the watcher does not help, since the context is made further in. Hence this. Should the client
// ever rename the variable, the line below does nothing and TestTimePassesWhileAWatchIsOpen hangs.
//
//go:linkname valCtxCh go.etcd.io/etcd/client/v3.valCtxCh
var valCtxCh chan struct{}

func init() { valCtxCh = nil }
