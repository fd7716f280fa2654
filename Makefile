# Two commands for people: `make demo` and `make test`. Both do all their own set-up.
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# more than there are cores: a test of real servers waits most of the time
TEST_PROCESSES ?= 5
.DEFAULT_GOAL := help
MINUTES ?= 60
SITE_TOOLS := $(abspath $(VENV))/site
CHART_TOOLS := $(abspath $(VENV))/chart
AUDIT := $(abspath $(VENV))/audit
SBOM := $(abspath $(VENV))/sbom
# a file's tests stay together, since they share servers; files in order, the long ones first
TESTS = $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder
# each of these has servers of its own in each process, so they may be spread at will
FAULTS = $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist load
# suites of many minutes, or with tools of their own, have commands of their own
APART := console chart recovery monitoring security scenarios soak docs/live deploy/test_first_stage.py real/test_bench_resume.py real/test_bench_smoke.py \
real/stack/test_stack_restart.py real/stack/test_stack_classes.py real/stack/test_stack_streams.py
ELSEWHERE := $(addprefix --ignore tests/,$(APART))
.PHONY: help setup demo test compiled docs-tests docs-programs database-programs chart-programs console-tests screenshots chart-tests monitoring-programs monitoring-tests alerts bench-tests stack-tests image-tests security-tests audit sbom faults scenarios soak recovery upgrade-tests fidelity check fmt lock docs site clean

help:  ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --no-deps --no-build-isolation -e .
	@touch $@

setup: $(VENV)/.ready  ## Virtual environment with the locked, hash-pinned dependencies

demo: setup  ## A shop, Debezium, Kafka and a target, live on this terminal
	$(BIN)/headrace demo

test: setup  ## Everything that must hold before a change lands
	$(MAKE) --jobs 2 check compiled
	$(BIN)/headrace stack prepare
	$(TESTS) --durations 40 $(ELSEWHERE)

# once, for all processes of a run: where the environment keeps nothing compiled, each would compile all it imports
compiled: setup
	@$(BIN)/python -m compileall -q consumer dlq tools
	@found=$$(env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --collect-only -qq $(ELSEWHERE)) || { echo "$$found"; exit 1; }

console-tests: setup  ## The API fuzzed, and what operators do in the console, in Debian's Chromium (installed if missing)
	@command -v chromium >/dev/null || (apt-get update && apt-get install --yes --no-install-recommends chromium)
	$(BIN)/python -m pytest tests/console

screenshots: setup  ## Pictures of the console's pages for the docs, by Debian's Chromium (installed if missing)
	@command -v chromium >/dev/null || (apt-get update && apt-get install --yes --no-install-recommends chromium)
	$(BIN)/python -m pytest tests/console/screenshots.py

# what a person has at hand who follows the pages
docs-programs: monitoring-programs
	@(command -v jq && command -v curl) >/dev/null || (apt-get update && apt-get install --yes --no-install-recommends jq curl)

docs-tests: setup docs-programs chart-programs  ## Each page followed on real servers, each command block of it run; the tutorials from zero: minutes
	PATH="$(CHART_TOOLS):$$PATH" $(BIN)/python -m pytest tests/docs

chart-programs:
	GOBIN=$(CHART_TOOLS) go install helm.sh/helm/v3/cmd/helm@v3.22.0
	GOBIN=$(CHART_TOOLS) go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0

chart-tests: setup chart-programs  ## The Helm chart: lint, many sets of values, Kubernetes' own schemas (builds helm and kubeconform with Go)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --upgrade --target $(CHART_TOOLS)/schemas -r tests/chart/schemas.lock
	PATH="$(CHART_TOOLS):$$PATH" KUBERNETES_SCHEMAS=$(CHART_TOOLS)/schemas/kubernetes_validate/kubernetes-json-schema \
	$(BIN)/python -m pytest tests/chart

# they are packages of the system, whose services start where systemd runs
monitoring-programs:
	@(command -v promtool && command -v prometheus-alertmanager) >/dev/null || \
	(apt-get update && apt-get install --yes --no-install-recommends prometheus prometheus-alertmanager)

monitoring-tests: setup monitoring-programs  ## Alerts in promtool, each query of the dashboards on a real Prometheus (Debian's, installed if missing)
	$(BIN)/python -m pytest tests/monitoring --ignore tests/monitoring/test_alerts.py

alerts: setup monitoring-programs  ## Each alert provoked on real servers, seen firing and ending: ONLY="HeadraceStopped", RESUME=1 for what is left
	$(BIN)/python -m pytest tests/monitoring/test_alerts.py -v $(addprefix --alert ,$(ONLY)) $(if $(RESUME),--resume)

# the wheel's PostgreSQL was built without TLS
database-programs:
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || \
	(apt-get update && apt-get install --yes --no-install-recommends postgresql)

security-tests: setup database-programs  ## TLS and logins, right and wrong, to broker, registry and database (Debian's PostgreSQL, installed if missing)
	$(BIN)/python -m pytest tests/security

audit:  ## Known flaws of the locked packages, by pip-audit; what can't be looked up is a failure too
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --require-hashes -r deploy/audit/audit.lock
	$(AUDIT)/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
	-r requirements-runtime.lock -r requirements.lock -r deploy/image/tools.lock

sbom:  ## What the image is made of, as CycloneDX, as its Dockerfile does: sbom.cdx.json
	$(PYTHON) -m venv $(SBOM)/tools
	$(SBOM)/tools/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r deploy/image/tools.lock
	$(PYTHON) -m venv --clear --without-pip $(SBOM)/headrace
	$(SBOM)/tools/bin/python -m pip --python $(SBOM)/headrace/bin/python \
	install --quiet --require-hashes --only-binary :all: -r requirements-runtime.lock
	$(SBOM)/tools/bin/cyclonedx-py environment --output-reproducible --output-format JSON \
	--output-file sbom.cdx.json $(SBOM)/headrace/bin/python

bench-tests: setup  ## The benchmark: a tiny race, and one that is killed at any moment and resumed
	$(BIN)/python -m pytest tests/real/test_bench_resume.py tests/real/test_bench_smoke.py

stack-tests: setup  ## The embedded stack: how it starts, ends, is opened again with its data, and prepares its classes: minutes
	$(BIN)/headrace stack prepare
	$(BIN)/python -m pytest tests/real/stack

image-tests: setup  ## The image's first stage by its own commands in a folder: what it installs, that the service starts
	$(BIN)/python -m pytest tests/deploy/test_first_stage.py

faults: setup  ## Faults F1 to F20 on real servers, seeded, an hour or two: SEED=123 replays one, FAULTS_SEEDS=1 takes fewer
	$(FAULTS) tests/faults $(addprefix --seeds ,$(FAULTS_SEEDS)) $(addprefix --seed ,$(SEED))

scenarios: setup  ## Each dependency down, slow and lying, and two at once, on real servers: what keeps working, what is seen, what heals
	$(BIN)/python -m pytest tests/scenarios

soak: setup  ## At least 500 seeded faults in 60 minutes on real servers: equal, no leak, each intervention kept: MINUTES=10, SEED=123
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(addprefix --seed ,$(SEED))

recovery: setup  ## A flipped cell among a million rows found while they are written; recoveries killed in each step: minutes
	$(BIN)/python -m tests.scale.reconcile
	$(BIN)/python -m pytest tests/recovery

check: setup  ## Format, lint, types, arrows, dead code, documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/python -m tools.docs --check

upgrade-tests: setup  ## The database side by the program of today on a control schema to which a later version has added
	$(BIN)/python -m pytest tests/pg --later --numprocesses $(TEST_PROCESSES) --dist loadfile

fidelity: setup  ## The fidelity table, whole: every type and mode, beside the Debezium JDBC sink; writes its page; batches of all sizes
	$(BIN)/python -m pytest tests/fidelity tests/pg/test_scenario.py --whole
	$(BIN)/python -m tools.docs

docs: setup  ## Write the reference pages that come from the code
	$(BIN)/python -m tools.docs

site: setup  ## The documentation as a site, in the folder site; a link that leads nowhere ends it
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --upgrade --target $(SITE_TOOLS) -r tools/site/requirements.lock
	PYTHONPATH=$(SITE_TOOLS) $(BIN)/python -m tools.site site

fmt: setup  ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## Resolve pyproject.toml anew into the locks (needs uv): of everything, of the image, of the site, of what builds the image
	uv pip compile --universal --python-version 3.11 --all-extras --generate-hashes --no-annotate --upgrade --quiet pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade --quiet -c requirements.lock pyproject.toml -o requirements-runtime.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade --quiet -c requirements.lock tools/site/requirements.in -o tools/site/requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade --quiet deploy/image/tools.in -o deploy/image/tools.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade --quiet deploy/audit/audit.in -o deploy/audit/audit.lock

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
