# konsulin-bot. `make` alone says what there is.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export GOTOOLCHAIN := local
# Where the browser tests keep a picture of each page.
export SCREENSHOTS ?= $(CURDIR)/artefacts/screenshots

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
LINT    := go tool -modfile=tools/go.mod golangci-lint

# Overridable: make torture KILLS=1000 RESTARTS=200, make fuzz FUZZTIME=10m, make demo DEMO_FLAGS='--page 127.0.0.1:9000'
KILLS    ?= 200
RESTARTS ?= 50
# An admin may send twenty commands a minute, and each revocation takes two.
REVOKES  ?= 8
WORLDS   ?= 1000
NUMBERS  ?= 1000000
FUZZTIME ?= 30s
DEMO_FLAGS ?=

.PHONY: help demo test check race build release release-check bench torture fuzz security interop react react-browser need-postgres need-chromium fmt clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## the whole login, offline, in your browser: a phone, the bot, the link
	@go run ./cmd/konsulin-sandbox demo $(DEMO_FLAGS)

test: need-postgres need-chromium ## all fast tests, on SQLite and PostgreSQL, and in a browser
	go test -timeout 15m ./...

check: ## formatting, go vet, linter with the import rules, tidy modules, what the binary may contain
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt differs: $$unformatted"; exit 1; }
	go vet ./...
	go mod tidy -diff
	$(LINT) run --timeout 15m ./...
	@# What our packages in the binary import. (The SuperTokens SDK itself ships a helper that imports testify.)
	@imports=$$(go list -deps -f '{{if .Module}}{{if .Module.Main}}{{join .Imports "\n"}}{{end}}{{end}}' ./cmd/konsulin-bot); \
	  if grep -E '/konsulin-bot/(sandbox|internal/pgtest)|stretchr/testify' <<<"$$imports"; then echo "konsulin-bot must not contain test code"; exit 1; fi

race: need-postgres need-chromium ## all fast tests under the race detector
	GORACE="suppressions=$(CURDIR)/sandbox/whatsapp/testdata/race.supp" go test -race -timeout 30m ./...

build: ## bin/konsulin-bot and bin/konsulin-sandbox
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

release: ## static binaries for linux/amd64 and linux/arm64 with checksums, in bin/release (ARCHS="amd64" for one)
	@tools/release.sh bin/release

release-check: release ## they run in an empty root directory, and a second build has the same bytes (REBUILD=no: without it)
	@tools/release-check.sh bin/release

bench: need-postgres ## jobs and pages a second, ratios against a bare echo bot, growth, sizes (some ten minutes)
	go test -run '^$$' -bench 'InsertToWorked|SQLiteSettings|JobsPerSecond|AcceptAndWork' -benchtime 500x -timeout 20m ./storage
	go test -run '^$$' -bench 'Guest' -benchtime 5000x -timeout 10m ./auth
	go test -run '^$$' -bench . -benchtime 1x -timeout 60m ./internal/bench

torture: need-postgres ## kill -9 at random moments, KILLS times (200); restarts, RESTARTS times (50); how fast /revoke works, REVOKES times (8); the login by chance, WORLDS times (1000); a flood from NUMBERS (a million)
	go test -v -count 1 -timeout 80m -run 'TestKillNothingLost|TestSupervised|TestRevokeSpeed' ./internal/e2e -kills $(KILLS) -restarts $(RESTARTS) -revokes $(REVOKES)
	go test -v -count 1 -timeout 80m ./internal/property -rapid.checks $(WORLDS) -rapid.steps 60
	go test -v -count 1 -timeout 80m -run 'TestManyNumbers' ./internal/growth -numbers $(NUMBERS)

fuzz: ## each fuzz target for FUZZTIME (default 30s)
	@for target in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
	  for name in $$(grep -hoE '^func Fuzz[A-Za-z0-9]+' $$target/*_test.go | sed 's/func //'); do \
	    echo "$$target $$name"; go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$target; \
	  done; \
	done

security: need-postgres ## try every attack in the list and write docs/security.md
	go run ./internal/security/report

interop: ## the FHIR room against an independent FHIR server (Node.js), or against FHIR_BASE_URL
	@tools/interop/run.sh

react: ## the React package: types, tests, builds (Node.js)
	@command -v node >/dev/null || { echo "react: needs Node.js 20.19 or later" >&2; exit 1; }
	cd web/react && npm ci --no-audit --no-fund --loglevel=error && npm run -s build && npm run -s typecheck && npm test && npm run -s example:build

react-browser: need-chromium react ## the same, and its example's login in a browser, against the bot
	go test -count 1 -timeout 10m -tags react -run 'TestReact' ./internal/browser

need-postgres: # a PostgreSQL server binary, for the tests
	@tools/need-postgres.sh

need-chromium: # a browser, for the tests
	@tools/need-chromium.sh

fmt: ## gofmt
	gofmt -w $$(git ls-files '*.go')

clean: ## what builds and demos left behind
	rm -rf bin artefacts
