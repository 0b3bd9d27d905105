# make app    opens the dashboard
# make test   checks everything: style, library, command line, pages in a real browser
# make train-smoke  trains every network for seconds on a tiny data set and checks that its loss falls
# All first install what is missing: Debian packages where apt may, Python packages into .venv.

SHELL := /bin/bash
.DEFAULT_GOAL := app
.PHONY: app test train-smoke lint system browser compiler

BIN := .venv/bin
READY := .venv/ready
PYTHON = $(shell for python in python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)

app: $(READY)
	@echo "DeepMasque opens at http://localhost:8501; Ctrl-C ends it."
	$(BIN)/streamlit run app.py --server.headless false --server.showEmailPrompt false

# One thread each for two processes: with more, threads on two cores mostly wait for one another.
test: browser compiler lint
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile

# Part of make test.
train-smoke: $(READY)
	$(BIN)/pytest tests/training/test_smoke.py tests/training/test_adversarial.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(READY): requirements.txt pyproject.toml | system
	@test -n "$(PYTHON)" || { echo "DeepMasque needs Python 3.11: install it and try again." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@echo "Compiling and loading everything once, so that the first photo is quick ..."
	$(BIN)/python -c "import deepmasque.launchpad.twin, deepmasque.launchpad.virtual_board"
	$(BIN)/python -c "from deepmasque.portrait.pipeline import warm_up; print('Networks run on', warm_up())"
	touch $@

# What the wheels of OpenCV and MediaPipe link to, and Python's venv, which Debian splits off.
system:
	@$(call debian,libgl1 libegl1 libgles2 libglib2.0-0 $(shell \
		$(or $(PYTHON),false) -c 'import ensurepip' 2>/dev/null || echo python3.11 python3.11-venv))

browser: system
	@$(call debian,chromium)

# Builds the LaunchPad's firmware again, to compare with the committed image.
compiler: system
	@$(call debian,clang-19 lld-19 llvm-19)

# Installs the named Debian packages that are not there yet; elsewhere does nothing.
define debian
command -v apt-get >/dev/null || exit 0; \
missing=$$(for package in $(1); do \
	dpkg-query --show --showformat '$${Status}\n' $$package $${package}t64 2>/dev/null \
	| grep -q ' installed' || echo $$package; done | xargs); \
test -z "$$missing" && exit 0; \
if [ $$(id -u) = 0 ]; then root=env; elif sudo -n true 2>/dev/null; then root='sudo -n env'; \
else echo "Packages are missing: run 'sudo apt-get install $$missing' and try again." >&2; exit 1; fi; \
echo "Installing $$missing ..."; \
$$root apt-get -qq update && $$root DEBIAN_FRONTEND=noninteractive apt-get -qq -y install $$missing >/dev/null
endef
