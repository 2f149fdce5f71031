// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

// OnAbort replaces the end of the process.
func (r *Runner) OnAbort(f func(Overrun, error)) { r.abort = f }

// Abort ends the process as the policy has it.
var Abort = abort
