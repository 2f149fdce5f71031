// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package child runs a command whose processes, all of them, end when they have to.
//
// Between this program and the command stands a guard: a process of this very
// program, which [Main] takes over before anything else.
//
//	this program ──orders──▶ guard ──starts──▶ command, in a process group of its own
//	             ◀─reports──                     └─ its children, and theirs, …
//
// The guard knows until when the command may run. It is told so again and again by
// [Child.Keep], and when it is not, it sends SIGTERM at the first and SIGKILL at the
// second of the two times that it was told last. So the command ends in time also
// when this program is stopped, starved or killed. When this program dies, the
// guard sends SIGTERM at once, and SIGKILL at the time that it was told last.
//
// On Linux the guard is the reaper of all that descends from the command, also of
// what has left the process group or the session: nothing that it starts
// gets out from under the guard, and [Child.Done] closes when nothing is left of it. If
// the guard is stopped or starved, this program ends all that is below it. If the
// guard is killed, the kernel kills the command itself, and this program its
// process group; only what had left the group lives on. Elsewhere the process group
// is all that is reached: what has left it lives on.
//
// A process that runs as another user, by a setuid file, cannot be ended by a guard
// that is not root. Done then stays open until it ends by itself.
package child
