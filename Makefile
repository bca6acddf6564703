# Two commands matter to a newcomer: make run, make test.
# The same flags everywhere, so that the build cache hits: no cgo, no -trimpath.
export CGO_ENABLED := 0
export GOFLAGS := -buildvcs=false

CACHE  := $(or $(ORIEL_CACHE),$(abspath .cache))
export ORIEL_CACHE := $(CACHE)
LINT   := $(CACHE)/golangci-lint-$(shell cksum < test/tools/go.sum | cut -d' ' -f1)

.PHONY: help run build check test soak race fmt vet lint unit real fuzz bench-logs bench-agent bench-intake bench-es bench-metrics bench-onboarding grafana-check clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

run: build ## build (some minutes the first time) and start the demo: http://127.0.0.1:7480
	./bin/oriel up --demo

build: ## bin/oriel, one static binary
	@[ -x bin/oriel ] || echo "Building oriel: Prometheus and client-go take some minutes the first time." >&2
	go build -o bin/oriel ./cmd/oriel

check: fmt vet lint unit ## format, vet, lint, licences, unit tests: under a minute warm

test: check real ## what CI runs: check, and everything against real servers

fmt:
	@files=$$(gofmt -l .) && test -z "$$files" || { echo "not gofmt'ed: $$files"; exit 1; }

vet:
	go vet -tags 'real soak' ./...

$(LINT):
	@echo "Building golangci-lint (a minute or two the first time)." >&2
	cd test/tools && go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

lint: $(LINT)
	$(LINT) run ./...

unit:
	go test ./...
	cd test/bench && go vet ./... && go test ./...

# Kubernetes by itself first: its build keeps every core busy for minutes, in
# which nothing that watches a clock should run. The other packages are those
# that have tests of this kind; the rest was run by unit.
REAL = $(shell grep -rl --include='*_test.go' '^//go:build real' . | xargs -n1 dirname | sort -u)
real: build ## the tests against real servers: kube-apiserver, systemd, Chromium, ...
	go test -tags real -timeout 25m ./test/kubetest
	ORIEL_BIN=$(abspath bin/oriel) go test -tags real -timeout 25m $(REAL)

# TOPIC is a part of the tests' names, whatever its case, or fuzz.
SOAK = $(shell grep -rl --include='*_test.go' '^func TestSoak' . | xargs -n1 dirname | sort -u)
soak: build ## the full bars, by hand: make soak [TOPIC=kills|truth|blast|isolation|conformance|tenants|fuzz|...]
	$(if $(filter-out fuzz,$(or $(TOPIC),all)),ORIEL_BIN=$(abspath bin/oriel) go test -tags 'real soak' -timeout 4h -v -run '(?i)^TestSoak$(if $(filter-out all,$(TOPIC)),.*$(TOPIC))' $(SOAK))
	$(if $(filter fuzz all,$(or $(TOPIC),all)),$(MAKE) fuzz FUZZTIME=5m)

race: ## the race detector over the log store and its codecs: needs a C compiler, half an hour
	CGO_ENABLED=1 go test -race -timeout 60m ./logging/... ./internal/... ./test/sim

FUZZTIME ?= 10s
fuzz: ## every fuzz target for FUZZTIME each
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r d; do \
	  for f in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$d/*_test.go | sed 's/func //'); do \
	    echo "$$d $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$d || exit 1; \
	  done; done

# The peer is built with cgo where there is a C compiler: its zstd is then the
# one in C, which is faster. Its module does not say which release it is.
VL         = $(CACHE)/victoria-logs-$(shell cksum < test/bench/go.sum | cut -d' ' -f1)
VL_RELEASE = 1.24.0 with the fixes of June 2025
$(VL):
	@echo "Building VictoriaLogs (a minute the first time)." >&2
	cd test/bench && CGO_ENABLED=$$(command -v gcc >/dev/null && echo 1 || echo 0) go build -o $@ github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-logs

# BENCH takes more of the flags of test/bench, such as BENCH='-only queries -query needle'.
RECORDS ?= 5000000
BENCH_WORK ?= $(CACHE)/bench-$(RECORDS)
bench-logs: build $(VL) ## Oriel's log store beside VictoriaLogs: make bench-logs [RECORDS=200000] [BENCH='-skip-vl']
	cd test/bench && go test ./... && go run . -oriel $(abspath bin/oriel) -vl $(VL) -vl-release '$(VL_RELEASE)' \
	  -records $(RECORDS) -work $(BENCH_WORK) $(BENCH)

# The peer is a module of its own. INTAKE takes more flags, such as INTAKE='-modes packed'.
bench-intake: build ## the forward input beside the OpenTelemetry Collector's: make bench-intake [INTAKE='-rounds 1']
	cd test/bench/intake && go run . -oriel $(abspath bin/oriel) $(INTAKE)

# The jars come with the tests' node; the folder is named for what is asked for.
OS_LIB = $(CACHE)/opensearch-$(shell cat test/opensearch/pom.xml test/opensearch/jars.sha256 | sha256sum | cut -c1-12)
$(OS_LIB):
	go test -tags real -count 1 -run TestNode ./test/opensearch
bench-es: build $(OS_LIB) ## Oriel's Elasticsearch API beside OpenSearch: make bench-es [RECORDS=200000] [BENCH='-skip-os']
	cd test/bench && go test ./... && go run . -oriel $(abspath bin/oriel) -os-lib $(OS_LIB) -os-node $(abspath test/opensearch/Node.java) \
	  -records $(RECORDS) -work $(BENCH_WORK) -ids 0 -forward 0 -cold=false $(BENCH)

# METRICS takes flags and phases, such as METRICS='-series 5000 receive'.
METRICS ?= receive query tenants
bench-metrics: build ## Oriel's metric store beside Prometheus and VictoriaMetrics: make bench-metrics [METRICS='-series 5000 receive']
	go run ./test/metricsbench -oriel $(abspath bin/oriel) $(METRICS)

bench-agent: build ## Oriel's agent beside Prometheus in agent mode: make bench-agent [AGENT='-targets 100']
	go run ./test/agentbench -oriel $(abspath bin/oriel) $(AGENT)

# ONBOARD takes flags, such as ONBOARD='-standing 200 -batch 0'.
bench-onboarding: build ## how long a team waits for its window, 2,000 of them standing: make bench-onboarding [ONBOARD='-standing 200']
	go run ./test/onboardbench -oriel $(abspath bin/oriel) $(ONBOARD)

# As a server admin: ORIEL_GRAFANA_USER and ORIEL_GRAFANA_PASSWORD in the environment.
grafana-check: ## make, edit and remove a window in a real Grafana: make grafana-check URL=http://grafana:3000
	@test -n "$(URL)" || { echo "say which Grafana: make grafana-check URL=http://grafana:3000" >&2; exit 2; }
	ORIEL_GRAFANA_URL="$(URL)" go test -count=1 -v -run 'TestAgainstGrafana' ./dashboards/grafana

clean:
	rm -rf bin .cache data
