# Besedka. `make` says what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

GO        ?= go
CLIENT    := web/client
E2E       := test/e2e
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS   := -s -w -X main.version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
export CGO_ENABLED ?= 0

.PHONY: help setup build client run test unit race e2e check generate bench network switches fuzz clean

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what building and testing need, or say what to install
	@scripts/setup

build: client ## the program, at bin/besedka
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/besedka ./cmd/besedka

# The client is built anew when one of its sources is newer than the last build.
client: $(CLIENT)/dist/index.html

$(CLIENT)/dist/index.html: $(CLIENT)/node_modules/.package-lock.json $(shell find $(CLIENT)/src $(CLIENT)/public $(CLIENT)/*.html $(CLIENT)/*.ts $(CLIENT)/messages -type f 2>/dev/null)
	cd $(CLIENT) && npm run build
	@touch $(CLIENT)/dist/.gitkeep $@

$(CLIENT)/node_modules/.package-lock.json: $(CLIENT)/package-lock.json
	cd $(CLIENT) && npm ci --no-audit --no-fund
	@touch $@

$(E2E)/node_modules/.package-lock.json: $(E2E)/package-lock.json
	cd $(E2E) && npm ci --no-audit --no-fund
	@touch $@

run: ## set everything up and start the program on ./data
	@scripts/setup run
	@$(MAKE) --no-print-directory build
	bin/besedka serve --data data

test: ## set everything up and run every test
	@scripts/setup
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory race
	@$(MAKE) --no-print-directory e2e

unit: build ## Go tests (both databases, real binary, fuzz seeds) and the client's unit tests
	BESEDKA_BIN=$(CURDIR)/bin/besedka $(GO) test -timeout 20m ./...
	cd $(CLIENT) && npm test

race: ## Go tests of the packages under the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 20m $$($(GO) list ./... | grep -v -e /test -e /bench)

e2e: build $(E2E)/node_modules/.package-lock.json ## real browsers hear each other (root: it makes network namespaces)
	cd $(E2E) && node --test --test-concurrency=1 --test-timeout=900000 .

check: $(CLIENT)/node_modules/.package-lock.json ## formatting, vet, staticcheck, client types, generated files
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt'; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	cd $(CLIENT) && npm run check
	scripts/generate --check

generate: ## write docs/openapi.json anew
	scripts/generate

ROWS ?= all
comma := ,
bench: build $(E2E)/node_modules/.package-lock.json ## every goal of client and audio, beside a plain Pion server in one run (20 minutes, root; ROWS=rest,knee for some)
	$(if $(filter all client,$(subst $(comma), ,$(ROWS))),@rm -f bin/client.json; cd $(E2E) && node feel.mjs --json $(CURDIR)/bin/client.json || echo 'the client was not measured')
	$(GO) run ./bench/run -rows $(ROWS) -client bin/client.json -json bin/bench.json

network: build $(E2E)/node_modules/.package-lock.json ## what a listener's browser conceals on bad networks, beside plain Pion (root; 11 minutes)
	@cd $(E2E) && node network.mjs

switches: build $(E2E)/node_modules/.package-lock.json ## what browsers conceal when packets change their length, many times over (root; 11 minutes)
	@cd $(E2E) && node switches.mjs

FUZZTIME ?= 30s
fuzz: ## each fuzz target for FUZZTIME (30s)
	scripts/fuzz $(FUZZTIME)

clean: ## remove what was built
	rm -rf bin $(CLIENT)/dist/* $(CLIENT)/node_modules $(E2E)/node_modules
