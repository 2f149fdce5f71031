# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The concurrency Authors

GO ?= go

# The linter's version, in this one place. It is built from its own module, so that go.mod does not require it.
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

# For make servers: the minor versions of etcd, and the tests to run against each.
SERVERS_MINORS ?= 3.5,3.6,3.7
SERVERS_RUN ?= TestServers

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## watch elections on a cluster of three, with faults
	$(GO) run ./cmd/elect demo

.PHONY: test
test: ## run all tests
	$(GO) test ./...

.PHONY: race
race: ## run the root package's tests with the race detector
	$(GO) test -race .

.PHONY: lint
lint: gofmt vet staticcheck ## gofmt, go vet and staticcheck

.PHONY: gofmt
gofmt:
	@files=$$(gofmt -l .) && if [ -n "$$files" ]; then echo "not as gofmt writes it:" $$files >&2; exit 1; fi

.PHONY: vet
vet:
	$(GO) vet ./...

.PHONY: staticcheck
staticcheck:
	$(GO) run $(STATICCHECK) ./...

.PHONY: compat
compat: ## run etcd's own published tests on this package
	$(GO) run ./internal/compat

.PHONY: servers
servers: ## run what can depend on the server's version against real etcd 3.5 to 3.7
	$(GO) run ./internal/servers -minors $(SERVERS_MINORS) -run '$(SERVERS_RUN)'

# The folders that are modules of their own, so that what they need stays out of
# the root go.mod, with the time that their tests may take at the most.
MODULES = bench:10m chaos:15m leader/compare:10m cmd/elect/e2e:10m

.PHONY: modules
modules: ## vet and test the modules of their own
	@set -e; for m in $(MODULES); do \
		echo "--- $${m%:*}"; \
		(cd $${m%:*} && $(GO) vet ./... && $(GO) test -timeout $${m#*:} ./...); \
	done

.PHONY: tidy
tidy: ## see that go.mod and go.sum of all modules are as go mod tidy leaves them
	@set -e; for m in . $(MODULES); do \
		echo "--- $${m%:*}"; \
		(cd $${m%:*} && $(GO) mod tidy -diff); \
	done

.PHONY: bench
bench: ## measure everything beside the original, in about a quarter of an hour; writes bench/results
	cd bench && $(GO) run . -out results

# For make chaos: for how long, from which seed, and where the report goes.
DURATION ?= 10m
SEED ?= 1
REPORT ?= chaos-report

.PHONY: chaos
chaos: ## faults against a real cluster, checked: DURATION=10m SEED=1 REPORT=chaos-report
	cd chaos && $(GO) run ./cmd/chaos --duration=$(DURATION) --seed=$(SEED) --report=$(abspath $(REPORT))

# For make explore: how many schedules, and from which seed on.
SEEDS ?= 100000
FIRST ?= 1

.PHONY: explore
explore: ## look for schedules that break a guarantee: SEEDS=100000 FIRST=1
	$(GO) test -v -run TestNoSchedule -timeout 0 ./internal/explore -bar -seeds=$(SEEDS) -first=$(FIRST)

.PHONY: mutants
mutants: ## see that the exploration finds the faults it is made for
	$(GO) test -v -run TestMutants -timeout 40m ./internal/explore -mutants

.PHONY: ci
ci: ## what CI runs
	.ci/run
