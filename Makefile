# SPDX-License-Identifier: Apache-2.0
#
# make build            one static binary: ./drawbridge
# make demo             build it and run its demo, in network namespaces, as root
# make test             everything: fast checks first, then the tests that need root
# make test-fast        what needs neither root nor a new kernel
# make test-root        frames through the real programs, and the lab, on both engines
# make prove            frames through programs and reference model: FRAMES=10000000 SEED=1
# make soak             the long forms of the lab's tests, an hour or two
# make test-kernel      frames and bonds under another kernel, in an emulator: KERNEL=linux-image-….deb
# make test-page        the page in a real browser: installs Chromium
# make pictures         the page and top of a gateway in the lab, for docs/pictures: as root
# make bench            measure, in network namespaces, as root
# make faults           inject faults under load: FAULTS=1000 of them, chosen by SEED=1
# make mutants          mutate the BPF programs and see whether tests notice: MUTANTS=200 of them, chosen by SEED=1
# make generate         compile the BPF programs with clang 14: dataplane/abi, lab/bench
# make check-generated  compile it again elsewhere and compare
# make lint             formatting and static analysis only
# make fmt              put the formatting right
# make manual           manual pages and completions: dist/tree
# make packages         .deb and .rpm: dist

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
MAKEFLAGS   += --no-print-directory

MODULE  := github.com/drawbridge-l2/drawbridge
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X $(MODULE)/daemon.Version=$(VERSION) -X $(MODULE)/daemon.Commit=$(COMMIT)

GO          ?= go
STATICCHECK := $(GO) tool -modfile=tools/go.mod staticcheck

# Packages whose tests make network namespaces and load programs. All others run without root.
ROOT_PACKAGES := ./dataplane/... ./host/... ./lab/... ./daemon/... ./cmd/... ./packaging/...
TEST_TIMEOUT  ?= 20m

# Shows results and counts; `make test COUNT=cat` shows everything.
COUNT ?= awk -f .ci/count.awk

# Runs a command as root: directly, or through sudo with the caller's Go settings.
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env=PATH,HOME,GOFLAGS,GOPROXY,GOCACHE,GOMODCACHE,GOTOOLCHAIN)

.PHONY: build
build:
	packaging/setup.sh build
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o drawbridge ./cmd/drawbridge

.PHONY: demo
demo:
	packaging/setup.sh demo
	$(MAKE) build
	$(AS_ROOT) ./drawbridge demo

.PHONY: test
test:
	packaging/setup.sh test
	$(MAKE) test-fast
	$(MAKE) check-generated
	$(MAKE) test-root
	echo "all tests passed"

.PHONY: test-fast
test-fast: vet staticcheck
	packages=$$($(GO) list ./... | grep -vE '$(MODULE)/(dataplane|host|lab|daemon|cmd|packaging|web/browser)(/|$$)')
	echo "== tests without root"
	$(GO) test -C tools -race ./...
	$(GO) test -v -race -timeout $(TEST_TIMEOUT) $$packages | $(COUNT)

# Without root these would only say that they did not run: that is a failure here.
.PHONY: test-root
test-root: check-kernel
	packaging/setup.sh test
	echo "== tests as root, in network namespaces of their own"
	$(AS_ROOT) $(GO) test -v -race -count=1 -p 1 -parallel 4 -timeout $(TEST_TIMEOUT) -skip '^TestScale$$' $(ROOT_PACKAGES) | $(COUNT)
	echo "== limits of time at 4,000 extensions, without the race detector, which slows the test's own process down"
	$(AS_ROOT) $(GO) test -v -count=1 -timeout $(TEST_TIMEOUT) -run '^TestScale$$' ./lab | $(COUNT)

# Same code as in `make test`, for longer. SOAK picks some.
SOAK ?= .
.PHONY: soak
soak: check-kernel
	packaging/setup.sh test
	$(AS_ROOT) env LAB_KILLS=100 LAB_SILENCE_SECONDS=60 LAB_CALM_SECONDS=3600 LAB_LOOPS=100 LAB_MACS=1000000 LAB_SEEDS=20 LAB_STORM_REQUESTS=250 LAB_ROUNDS=20 \
	  $(GO) test -v -count=1 -timeout 4h -run '$(SOAK)' ./lab | $(COUNT)

.PHONY: test-kernel
test-kernel:
	packaging/setup.sh kernel
	lab/kernel/boot.sh '$(KERNEL)' ./dataplane -test.v -test.timeout 60m
	lab/kernel/boot.sh '$(KERNEL)' ./lab -test.v -test.run '^TestBond$$'

# Not part of test, but of .ci/run: half a gigabyte of browser. PICTURES=DIR keeps what it saw.
.PHONY: test-page
test-page:
	packaging/setup.sh page
	echo "== the page in a browser"
	$(AS_ROOT) env DRAWBRIDGE_SCREENSHOTS=$(PICTURES) $(GO) test -v -count=1 -timeout $(TEST_TIMEOUT) ./web/browser | $(COUNT)

.PHONY: pictures
pictures: check-kernel
	packaging/setup.sh page
	$(AS_ROOT) env DRAWBRIDGE_PICTURES=$(CURDIR)/docs/pictures $(GO) test -v -count=1 -timeout $(TEST_TIMEOUT) -run '^TestRealGateway$$' ./web/browser | $(COUNT)

.PHONY: check-kernel
check-kernel:
	release=$$(uname -r)
	if [[ $$(printf '%s\n' 6.6 "$${release%%-*}" | sort -V | head -n 1) != 6.6 ]]; then
	  echo "kernel $$release is too old: 6.6 or later is needed" >&2
	  exit 1
	fi

# FRAMES frames, half of them on each engine. What disagrees is kept in dataplane/testdata/disagreements.
FRAMES ?= 10000000
SEED   ?= 1
.PHONY: prove
prove: check-kernel
	result=$$(mktemp)
	trap 'rm -f "$$result"' EXIT
	status=0
	$(AS_ROOT) env PROVE_FRAMES=$(FRAMES) PROVE_SEED=$(SEED) PROVE_RESULT="$$result" \
	  $(GO) test -v -count=1 -timeout 0 -run '^TestProve$$' ./dataplane || status=$$?
	cat "$$result"
	exit $$status

# About twenty minutes on an idle machine. The rounds, and the picture of them, replace those of the last run: BENCH=/tmp/mine
# leaves these alone. BENCHFLAGS are the flags of lab/bench, such as BENCHFLAGS='-suites config'.
BENCH ?= docs/performance
.PHONY: bench
bench: check-kernel
	packaging/setup.sh bench
	$(AS_ROOT) $(GO) run ./lab/bench -csv '$(BENCH).csv' -svg '$(BENCH).svg' $(BENCHFLAGS)

# The short form of this is part of make test. FAULT=NAME injects only that one. The last line is the sum.
FAULTS ?= 1000
SEED   ?= 1
.PHONY: faults
faults: check-kernel
	packaging/setup.sh test
	log=$$(mktemp)
	trap 'rm -f "$$log"' EXIT
	status=0
	$(AS_ROOT) env FAULTS=$(FAULTS) SEED=$(SEED) FAULT=$(FAULT) \
	  $(GO) test -v -count=1 -timeout 24h -run '^TestFaults$$' ./lab | tee "$$log" | grep -v '^faults: ' | $(COUNT) || status=$$?
	grep '^faults: ' "$$log"
	exit $$status

# Minutes to hours: every mutant is compiled and runs the frame tests until one fails. MUTATE has further flags, such as
# MUTATE='-thorough -only fdb.h'. The last line is the sum.
MUTANTS ?= 200
.PHONY: mutants
mutants: check-kernel
	packaging/setup.sh generate
	$(AS_ROOT) $(GO) run -C tools ./mutate -root .. -n $(MUTANTS) -seed $(SEED) $(MUTATE)

.PHONY: generate
generate:
	packaging/setup.sh generate
	BPF2GO_CC=clang-14 BPF2GO_STRIP=llvm-strip-14 $(GO) generate ./dataplane/... ./lab/...

# Compiles in a copy of the sources, in another directory, and compares byte for byte: the committed objects are
# what bpf/ says, and hold no path of the machine that made them.
.PHONY: check-generated
check-generated:
	echo "== generated objects"
	.ci/check-generated

.PHONY: lint
lint:
	packaging/setup.sh lint
	$(MAKE) vet staticcheck lint-c lint-sh

# Puts the formatting right that lint complains about.
.PHONY: fmt
fmt:
	gofmt -w $$($(GO) list -f '{{.Dir}}' ./...)
	clang-format-14 -i bpf/*.[ch] lab/bench/bpf/*.[ch]

.PHONY: gofmt
gofmt:
	echo "== gofmt"
	ill=$$(gofmt -l $$($(GO) list -f '{{.Dir}}' ./...))
	if [[ -n $$ill ]]; then
	  printf 'gofmt these files:\n%s\n' "$$ill" >&2
	  exit 1
	fi

.PHONY: vet
vet: gofmt
	echo "== vet"
	$(GO) vet ./...
	$(GO) vet -C tools ./...

.PHONY: staticcheck
staticcheck:
	echo "== staticcheck"
	$(STATICCHECK) ./...

.PHONY: lint-c
lint-c:
	if command -v clang-format-14 >/dev/null; then
	  clang-format-14 --dry-run --Werror bpf/*.[ch] lab/bench/bpf/*.[ch]
	else
	  echo "clang-format 14 is not there: bpf/ is not checked" >&2
	fi

.PHONY: lint-sh
lint-sh:
	if command -v shellcheck >/dev/null; then
	  shellcheck .ci/run .ci/check-generated packaging/*.sh lab/bench/bpf/*.sh lab/kernel/*.sh
	else
	  echo "shellcheck is not there: scripts are not checked" >&2
	fi

# What packages hold beside what is in the repository: the binary, manual pages, completions.
DIST ?= dist
.PHONY: manual
manual:
	rm -rf $(DIST)/tree
	mkdir -p $(DIST)/tree
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(DIST)/tree/drawbridge ./cmd/drawbridge
	$(DIST)/tree/drawbridge manual $(DIST)/tree --configuration docs/reference/configuration.md
	gzip -9n $(DIST)/tree/man?/*

# A version that both package managers order: of the last tag, or before the first.
PACKAGE_VERSION ?= $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-/+/g' | grep . || echo '0.1.0~git$(COMMIT)')
PACKAGE_ARCH    ?= $(shell $(GO) env GOARCH)

# One description for both; the same commit makes the same bytes.
.PHONY: packages
packages: manual
	export TREE=$(DIST)/tree PACKAGE_VERSION='$(PACKAGE_VERSION)' PACKAGE_ARCH=$(PACKAGE_ARCH)
	export SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 0)}
	umask 022
	for packager in deb rpm; do
	  $(GO) tool -modfile=tools/go.mod nfpm package -f packaging/nfpm.yaml -p $$packager -t $(DIST)/
	done

.PHONY: clean
clean:
	rm -rf drawbridge dist

.ONESHELL:
.SILENT:
