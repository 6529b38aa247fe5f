# Every target sets up what it needs: `make demo` and `make test` work on a fresh machine.
PYTHON ?= python3.11
BIN := .venv/bin
# PyTorch's index of CPU builds. Where it cannot be reached, the default index is asked instead.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
PINS := $(wildcard .pins/*.txt) pyproject.toml
SETUP := .venv/.ready
# GSM8K is read from here where it lies beside the checkout, else from the hub.
ifneq ($(wildcard ../shared/data/gsm8k),)
export EVALKIT_DATA ?= $(abspath ../shared/data)
endif

.PHONY: setup demo demo-train test slow soak lint check bench simulate peers

setup: $(SETUP)

$(SETUP): $(PINS)
	@bash .ci/setup "$(PYTHON)" "$(TORCH_CPU_INDEX)"

demo: $(SETUP)
	@bash .ci/demo

demo-train: $(SETUP)
	@bash .ci/demo-train

# Two processes, whole files: one trains (two verls do not fit into 24 GiB: tests/conftest.py), the other loads
# vLLM once and does the rest.
# A process that died is not replaced: the new one can wait for ever for work, and its summary never comes.
test: $(SETUP)
	$(BIN)/python -m pytest -n 2 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder -m "not slow and not soak" --durations=25

# What takes minutes and is covered by something quicker in `make test`: run before a release.
slow: $(SETUP)
	$(BIN)/python -m pytest -m slow --timeout 7200 --durations=25

# The crash campaign: kills, cut files, full disks, two writers. SOAK_KILLS and SOAK_VLLM_KILLS make it shorter.
soak: $(SETUP)
	$(BIN)/python -m pytest -m soak --timeout 7200

lint: $(SETUP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint
	$(BIN)/python -m pytest -q -m "not engine and not train and not browser and not peers and not long and not slow and not soak"

bench: $(SETUP)
	$(BIN)/python -m pytest -s tests/bench/bench_*.py

# Sizes and errors of decisions made early, of gates that are asked again, and of the best of many (docs/decide.md).
simulate: $(SETUP)
	$(BIN)/python tests/bench/simulate_sequential.py

# Other harnesses want pins of their own: an environment each, and the tests that need them.
peers: $(SETUP)
	for peer in inspect lm_eval transformers verifiers; do \
		$(BIN)/python -m venv .cache/peers/$$peer && \
		.cache/peers/$$peer/bin/pip install -q -r tests/peers/$$peer.txt || exit 1; \
	done
	$(BIN)/python -m pytest -m peers
