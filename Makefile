# `make run` and `make test` are all that a new machine needs: Go, make and a C compiler in, everything else installed.

GO      ?= go
# go test would vet each package again for each way of building it: lint has vetted all, with more checks.
TEST    := $(GO) test -vet=off -timeout 20m
BIN     := bin/tintype
DATA    ?= data
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The packages that need no C library; the rest links libvips.
PURE    := $(shell $(GO) list ./... 2>/dev/null | grep -v -e /cmd/ -e /transform/vips -e /bench)
# Those that start no goroutine, their tests neither: there the race detector finds nothing, and makes them ten times
# as slow. TestSerialPackages in house_test.go fails where one begins to.
MODULE  := github.com/tintype/tintype
SERIAL  := dialect samples server/dashboard/plot transform transform/faces transform/facts transform/header transform/header/svg workspace
# Packages of others that compute much and start no goroutine. The race detector finds nothing of ours in them, and makes
# the tests that use them several times as slow: SQLite, which is C translated to Go, and the codecs of the fake engines.
RACELESS := modernc.org/sqlite/lib image image/color image/draw image/gif image/internal/imageutil image/jpeg image/png \
	compress/flate compress/lzw compress/zlib hash/adler32 hash/crc32
# Those whose tests take longest start first, so that none of them is left for the end.
LONGEST := $(MODULE)/workspace/dynamodb $(MODULE)/transform/worker $(MODULE)/delivery $(MODULE)/server/api
RACED   := $(LONGEST) $(filter-out $(SERIAL:%=$(MODULE)/%) $(LONGEST),$(PURE))
# Tests in files of the tag !race: they compute much and start no goroutine, in packages that need the race detector for
# others. TestRacelessTests in house_test.go fails where one isn't here.
RACELESS_TESTS := ./workspace/dynamodb ./peer -run '^Test(PurgeWriteUnits|PurgeOfAFullLogIsCheap|PurgesTogetherAreOneWrite|PurgeSnapshots|FleetSimulation|ScalePage)$$'
CGO     := ./cmd/... ./transform/vips/... ./bench/...

.DEFAULT_GOAL := help
.PHONY: help run fleet build test test-js test-pure test-cgo test-debian13 image-test deploy-test walkthrough lint bench bench-peers hits gallery picture screenshot dialects clients site site-test fuzz soak clean deps

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps:
	@scripts/install-deps

build: deps ## bin/tintype
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o $(BIN) ./cmd/tintype

run: build ## serve a demo on http://localhost:8080 (DIR=~/Pictures adds your own pictures)
	@exec $(BIN) serve --demo --data $(DATA) $(if $(DIR),--dir 'demo/pictures=$(DIR)')

fleet: build ## four servers with DynamoDB Local, an S3 server and HAProxy in front, on http://localhost:8080 (PORT=…)
	@exec scripts/fleet

test: deps lint ## everything that must hold
	@scripts/install-test-deps
	@scripts/build-versitygw
	@scripts/build-pebble
	@scripts/build-stripe-mock
	@scripts/install-axe
	@scripts/install-dynamodb-local
	@scripts/install-prometheus
	@$(MAKE) --no-print-directory --output-sync=target -j3 test-js test-pure test-cgo

test-js:
	@scripts/client

# Each test runs once. No pure package has files that depend on cgo, and CGO_ENABLED=0 is vetted by lint. Only the tests
# of transform/worker run twice: bounds on memory can't be held with the race detector, and without cgo the process that
# its sandbox confines is another. A process with the race detector sleeps before it exits: 20 ms are enough, a second is the default.
test-pure:
	CGO_ENABLED=0 $(TEST) $(SERIAL:%=./%) ./transform/worker
	CGO_ENABLED=0 $(TEST) $(RACELESS_TESTS)
	GORACE=atexit_sleep_ms=20 $(TEST) -race $(RACELESS:%=-gcflags='%=-race=false -d=checkptr=0') $(RACED)

# They wait for workers and browsers much of the time, so they run beside the others.
test-cgo:
	$(TEST) $(CGO)

test-debian13: ## the tests of the engine and the commands on Debian 13, which the image stands on (as root; makes it first, 3 GB)
	@scripts/test-debian13

image-test: ## the image, built by buildah and tried by runc, without Docker (as root; ten minutes, then less)
	@scripts/image-test

deploy-test: ## what is under deploy/, by Helm, Compose and the parser of Terraform, and by nginx, Caddy and Varnish in front of a server (Debian)
	@UPDATE='$(UPDATE)' scripts/deploy-test $(ONLY)

walkthrough: ## docs/deploy.md followed on a new Debian 13 with systemd, in namespaces (as root; makes it first, 600 MB)
	@scripts/deploy-walkthrough

lint: deps ## vet, gofmt, staticcheck, actionlint, go mod tidy, and govulncheck where its database can be reached
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	CGO_ENABLED=0 $(GO) vet ./...
	$(GO) tool -modfile=tools/go.mod staticcheck ./...
	$(GO) tool -modfile=tools/go.mod actionlint
	@scripts/tidy
	@scripts/vulncheck

bench: build ## speed, memory and looks beside plain libvips calls taken in the same run (PHOTOS=dir for real photographs)
	$(GO) test -run '^$$' -bench . -benchmem ./transform ./transform/header ./cache ./delivery ./signing
	$(GO) test -run '^$$' -bench ManyWorkspaces ./workspace/sqlite
	$(GO) test -run '^$$' -bench Endpoints ./cmd/tintype
	$(GO) run ./bench $(if $(PHOTOS),-photos '$(PHOTOS)')
	$(GO) run ./bench -isolation -n 200 -server $(BIN)
	$(GO) run ./bench -table -server $(BIN) $(if $(CORPUS),-corpus '$(CORPUS)')

bench-peers: build ## the same works by other servers beside ours (PEERS=dir has peers.json, which says how to start them, CORPUS=dir originals, ONLY='webp|hits' some of it)
	$(GO) run ./bench -table -server $(BIN) -peers '$(PEERS)' $(if $(CORPUS),-corpus '$(CORPUS)') $(if $(ONLY),-only '$(ONLY)')

hits: build ## processor time of a cache hit, beside nginx, Varnish and net/http in the same run (needs wrk, nginx, Varnish; two processors)
	@scripts/hits

gallery: deps ## bin/gallery/index.html: every operation, fit and format, to look at
	$(GO) run ./bench -gallery bin/gallery

picture: ## docs/packages.svg: which package imports which
	$(GO) test . -run TestPicture -update

screenshot: build ## docs/playground.webp: the picture of the playground in README, by Chromium
	@scripts/install-test-deps
	SCREENSHOT='$(CURDIR)/bin/playground.png' $(TEST) -count=1 -run '^TestScreenshot$$' ./cmd/tintype
	$(BIN) transform bin/playground.png 'q=82' -o docs/playground.webp

dialects: deps ## URLs that other projects' packages build, asked of a server, and their pages in a browser (SUITES=dir adds their tests, UPDATE=1 writes the table)
	@SUITES='$(SUITES)' UPDATE='$(UPDATE)' scripts/dialects

clients: deps ## the npm package as its users have it: packed, compiled, and in apps of five frameworks in a browser
	@scripts/clients $(ONLY)

site: ## the documentation as a site, in site/.vitepress/dist
	@TINTYPE_VERSION='$(VERSION)' scripts/site

site-test: deps site ## every page of the site in a browser: links, anchors, console, contrast, search (SHOTS=dir keeps screenshots)
	@scripts/install-test-deps
	@scripts/install-axe
	SITE=1 $(TEST) -count=1 -run '^TestSite$$' ./cmd/tintype

fuzz: deps ## fuzz targets (FUZZTIME each) and MUTATIONS mutated images: ten minutes
	@scripts/fuzz $(FUZZTIME)

soak: deps ## what make test samples, in full: worker faults, overload, memory, every way around a mark, writers killed, the store stopped, a fleet with faults; two hours
	@scripts/soak

clean: ## remove what was built (not data/)
	rm -rf bin
