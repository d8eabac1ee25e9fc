#!/usr/bin/env bash
# Makes the virtual environment named by the first argument and installs pyproject.toml's `dev` group into it.
#
# An environment that works is kept. PYTHON names the interpreter to use; without it the newest suitable one on the
# PATH is taken. pip is used as your environment configures it.
set -euo pipefail

venv=${1:?usage: setup_venv.sh DIRECTORY [GROUP...]}
shift
groups=("${@:-dev}")
suitable='import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))'

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c "$suitable" 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "error: no suitable Python among: ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}" >&2
    echo "junctor needs Python 3.11 or newer with venv and ensurepip (Debian: apt-get install python3-venv)." >&2
    echo "hint: PYTHON=/path/to/python3.12 make ..." >&2
    return 1
}

if ! "$venv/bin/python" -c "$suitable" 2>/dev/null; then
    python=$(find_python)
    echo "making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

echo "installing the groups: ${groups[*]}"
"$venv/bin/python" -m pip install --quiet --upgrade 'pip>=25.1' # the first that knows --group
for group in "${groups[@]}"; do
    "$venv/bin/python" -m pip install --quiet --no-compile --group "$group" # Python compiles what is imported, when it is
done
