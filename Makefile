# One word per job; `make` alone lists them. Continuous integration (.ci/run) says the same words.
#
# Everything is made inside the checkout: Python in .venv, Rust in target, the extension beside its Python package.
# A word first brings up to date what it needs, so none has to be said before another. pip and cargo are used as your
# environment configures them (PIP_*, CARGO_*); no index is named here. PYTHON=python3.12 chooses the interpreter.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
PY := $(VENV)/bin/python
# Stamps: newer than what they depend on, or made again.
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.ready-bench
PEERS_READY := .venv-peers/.ready
CATALOG_READY := .venv-catalog/.ready
OLDER_READY := .venv-older/.ready
LOCAL_READY := .venv-local/.ready
CORE := python/junctor/_core.abi3.so

RUST_SOURCES := Cargo.toml Cargo.lock $(shell find rust -type f \( -name '*.rs' -o -name Cargo.toml \))
PYTHON_TREES := $(wildcard python tests examples scripts benches)

# What `make explore` tries, and `make prove`. Expanded once, so that Rust and Python share the seed.
CASES ?= 2000
prove: CASES := $(if $(filter file,$(origin CASES)),20000,$(CASES))
SEED := $(or $(SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))

# The checker's atomics stand in the place of the machine's, so it has a build of its own, and keeps it.
LOOM := RUSTFLAGS='--cfg loom' CARGO_PROFILE_DEV_DEBUG=0 \
  cargo test --quiet --package junctor-core --test loom --target-dir target/loom

# One interpreter for every build of the binding, so that switching words does not rebuild it.
export PYO3_PYTHON := $(abspath $(PY))
export VIRTUAL_ENV := $(abspath $(VENV))
unexport CONDA_PREFIX

$(READY): pyproject.toml scripts/setup_venv.sh
	@scripts/setup_venv.sh $(VENV) dev
	@touch $@

$(BENCH_READY): $(READY)
	@scripts/setup_venv.sh $(VENV) bench
	@touch $@

$(PEERS_READY): $(addprefix benches/python/peers/,setup.sh requirements.txt portkey.json) | $(READY)
	@benches/python/peers/setup.sh $(@D) $(PY)
	@touch $@

$(CATALOG_READY): scripts/setup_catalog.sh | $(READY)
	@scripts/setup_catalog.sh $(@D) $(PY)
	@touch $@

$(OLDER_READY): scripts/setup_older.sh | $(READY)
	@scripts/setup_older.sh $(@D) $(PY)
	@touch $@

$(LOCAL_READY): scripts/setup_local.sh | $(READY)
	@scripts/setup_local.sh $(@D) $(PY)
	@touch $@

# The release profile: what is tested, measured and shown is what ships.
$(CORE): $(READY) $(RUST_SOURCES)
	PIP_QUIET=1 $(PY) -m maturin develop --release --quiet
	@touch $@

.PHONY: help demo demo-local test explore prove lint types evaluate bench bench-peers catalog docs build wheel ci clean

help: ## List these words
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(CORE) ## Drive a simulated fleet through a bad day, in under a minute, without key or network
	$(VENV)/bin/junctor demo $(ARGS)

demo-local: $(CORE) $(LOCAL_READY) ## Run a cascade from a real small model on this machine; compiles its server first (8 minutes)
	$(PY) -m scripts.demo_local $(dir $(LOCAL_READY))

test: $(CORE) $(OLDER_READY) ## Run the Rust tests and doctests, the Python tests, the README, the examples and the stub check
	cargo test --workspace $(addprefix --exclude ,junctor-py junctor-benches junctor-floor) --quiet
	LOOM_MAX_PREEMPTIONS=2 $(LOOM)
	$(PY) -m pytest --quiet -n logical --dist loadfile $(ARGS)

prove: $(CORE) ## Run the long proofs, more than half an hour; docs/proofs.md says what each shows (ARGS="loom storms")
	PY=$(PY) CASES=$(CASES) scripts/prove.sh $(ARGS)

explore: $(CORE) ## Look for new failures: property tests with a fresh seed and more cases (CASES=2000 SEED=number)
	@echo "SEED=$(SEED) CASES=$(CASES) repeats this run"
	PROPTEST_RNG_SEED=$(SEED) PROPTEST_CASES=$(CASES) cargo test --package junctor-core --lib --tests --quiet
	JUNCTOR_CASES=$(CASES) $(PY) -m pytest --quiet -m hypothesis \
	  --hypothesis-profile=explore --hypothesis-seed=$(SEED) $(ARGS)

lint: $(READY) ## Check format and lints of Rust and Python
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	$(PY) -m ruff check $(PYTHON_TREES)
	$(PY) -m ruff format --check $(PYTHON_TREES)

types: $(CORE) $(BENCH_READY) ## Check Python's types strictly, and the stub against the binary
	$(PY) -m mypy
	$(PY) -m mypy.stubtest junctor._core --mypy-config-file pyproject.toml

evaluate: $(CORE) ## Evaluate routing on the tables of JUNCTOR_DATA or ../shared/data, else on a made-up one, into evaluation/
	$(PY) -m scripts.evaluate $(ARGS)

bench: $(CORE) $(BENCH_READY) ## Measure: medians with spread, ratios to floors of the same run, JSON (ARGS="--quick --only client")
	$(PY) -m benches.python.run $(ARGS)

bench-peers: $(CORE) $(BENCH_READY) $(PEERS_READY) ## Measure LiteLLM, TensorZero and Portkey beside it, in an environment of their own (.venv-peers)
	$(PY) -m benches.python.run --peers $(ARGS)

catalog: $(CATALOG_READY) ## Write the catalog of models and prices anew from public tables (.venv-catalog); review the diff
	PYTHONPATH=. $(<D)/bin/python -m scripts.make_catalog

docs: $(CORE) ## Build the Rust pages with warnings denied; check links and anchors of the documents (`make test` runs their code)
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet
	$(PY) -m scripts.check_docs

build: $(CORE) ## Bring .venv and the extension up to date

wheel: $(READY) ## Build the wheel, look into it, and use it from a clean environment outside the checkout
	rm -rf dist
	$(PY) -m maturin build --release --quiet --out dist
	$(PY) -m scripts.check_wheel dist

ci: ## Run what continuous integration runs
	.ci/run

clean: ## Remove everything that these words made
	cargo clean --quiet
	rm -rf $(VENV) .venv-peers .venv-catalog .venv-older .venv-local dist evaluation $(CORE) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(PYTHON_TREES) -type d -name __pycache__ -prune -exec rm -rf {} +
