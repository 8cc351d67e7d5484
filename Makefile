# The short way in: make demo, make test. What each target does is said by `make help`.
PYTHON ?= python3

.venv: setup.cfg setup.py
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -q ./compat/http-parser
	.venv/bin/pip install -q -e '.[test,lint]'
	touch .venv
