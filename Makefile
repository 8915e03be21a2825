# The few commands a developer repeats. Each sets up what it needs.
.PHONY: serve chat test test-extras test-clients test-sdk test-comply fuzz torture coverage screenshots lint format bench dist site clean

serve: .venv/.installed
	.venv/bin/openedai serve

chat: .venv/.installed
	.venv/bin/openedai chat

# In two processes, as most of the tests use one core at most.
test: .venv-dev/.installed
	.venv-dev/bin/python -m pytest -m "not extras and not clients and not torture" \
		--numprocesses 2 --dist loadgroup $(ARGS)

# What needs torch and other heavy extras, in an environment of its own; then the clients, unless
# ARGS chose some of the tests.
test-extras: .venv-extras/.installed
	.venv-extras/bin/python -m pytest -m extras $(ARGS)
	$(if $(ARGS),,$(MAKE) test-clients)

# Other projects' clients, each in an environment of its own, below .venv-clients; and the console in
# Chromium.
test-clients: .venv-dev/.installed
	scripts/browser
	.venv-dev/bin/python -m pytest -m clients $(ARGS)

# The official Python client's own tests against our server, from its source distribution:
# ARGS="-- -k embeddings" gives pytest options.
test-sdk: .venv-dev/.installed
	.venv-dev/bin/python -m tests.suites.openai_python $(ARGS)

# llm-comply's tests of Responses, chat completions and Anthropic's messages, and the other
# compliance tests of Open Responses.
test-comply: .venv-dev/.installed
	.venv-dev/bin/python -m tests.suites.llm_comply

# Random requests to every route: ARGS="--cases 100000 --seed 7", and --real for a text model.
fuzz: .venv-dev/.installed
	.venv-dev/bin/python -m tests.fuzz $(ARGS)

# Faults: processes killed and stopped, a full disk, no sockets left, signals; and Codex CLI with a real
# model. Some eight minutes on two cores, more beside other work.
torture: .venv-dev/.installed
	.venv-dev/bin/python -m pytest -m torture $(ARGS)

# The same tests as `test`, with the lines of src that they do not run.
coverage: .venv-dev/.installed
	.venv-dev/bin/coverage erase
	.venv-dev/bin/coverage run -m pytest -m "not extras and not clients and not torture" $(ARGS)
	.venv-dev/bin/coverage combine --quiet
	.venv-dev/bin/coverage report

# The pictures of the console in docs/media, of a server with the default models.
screenshots: .venv-dev/.installed
	scripts/browser
	.venv-dev/bin/python -m tests.browser.screenshots

lint: .venv-dev/.installed
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports

format: .venv-dev/.installed
	.venv-dev/bin/ruff check --fix .
	.venv-dev/bin/ruff format .

bench: .venv-dev/.installed
	.venv-dev/bin/python -m bench $(ARGS)

# The wheel and the source distribution in dist/, each tried in an empty environment.
dist: .venv-dev/.installed
	scripts/dist

# The documentation as a website with search, in build/site.
site: .venv-site/.installed
	.venv-site/bin/python scripts/site

clean:
	rm -rf build dist .venv .venv-site .venv-dev .venv-extras .venv-clients .venv-peers .mypy_cache .ruff_cache .pytest_cache .coverage*

.venv/.installed: pyproject.toml scripts/setup
	scripts/setup .venv

.venv-site/.installed: Makefile
	python3 -m venv .venv-site
	.venv-site/bin/python -m pip install --quiet zensical==0.0.73
	touch $@

.venv-dev/.installed: pyproject.toml scripts/setup
	scripts/setup .venv-dev --group dev

# torch first, and pinned: a plain `torch` brings several GB of CUDA libraries on Linux.
.venv-extras/.installed: pyproject.toml scripts/setup
	scripts/setup .venv-extras --group dev torch==2.13.0
	EXTRA=sentence-transformers,images,documents scripts/setup .venv-extras --group dev torch==2.13.0
