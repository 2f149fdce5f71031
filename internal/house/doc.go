// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package house has nothing but tests: of the repository itself, not of what it does. They see that every file says
// under which licence it is, that every exported name is documented, that links between pages lead somewhere, that
// what the pages tell a reader to type exists, that the Go code in them compiles, and that packages import one
// another in one direction only.
//
// Each test is two: a checker, tried on input that it has to find fault with, and the same checker on the repository.
// What has a test elsewhere is not here again: the dependencies of the root package (deps_test.go), its API
// (api_test.go), and that docs/guarantees.md and docs/demo.svg are what their generators write.
package house
