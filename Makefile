# Thin: every target is a script that also runs by itself.
ACCOUNT ?= 127.0.0.1:8080
INFERENCE ?= 127.0.0.1:8081
DATA ?= var
export ACCOUNT INFERENCE DATA

.DEFAULT_GOAL := help
.PHONY: help run build test reset release profiled fmt

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

run: ## install what is missing, build, and serve at http://localhost:8080
	@scripts/run

build: ## build the web app and the binary: target/run/noren
	@scripts/build

test: ## everything that CI runs; ends in "N passed, N failed"
	@scripts/test

reset: ## stop the private database and delete the data directory
	@scripts/reset

release: ## build the binary to ship: target/release/noren
	@scripts/build --release

profiled: ## build the binary to ship by how a load uses it: target/release/noren
	@scripts/profiled

fmt: ## format Rust and web sources
	@cargo fmt --all
	@cd web && npm run --silent format
