#!/usr/bin/env bash
# Makes the environment of the peers in the directory named by the first argument, with the interpreter of the second.
#
# litellm 1.109.1 asks for certifi 2026.10.19 or newer; where this was written the index ended at 2026.10.18, and pip
# refused the whole. Certificates play no part on loopback: litellm is installed by itself and its other dependencies as
# it asks. Its releases 1.82.7, 1.82.8 (compromised) and 1.107.x are bad, so the pin is exact.
set -euo pipefail

venv=${1:?usage: setup.sh DIRECTORY PYTHON}
python=${2:?usage: setup.sh DIRECTORY PYTHON}

"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --upgrade pip
"$venv/bin/python" -m pip install --quiet --requirement "$(dirname "$0")/requirements.txt"
"$venv/bin/python" -m pip install --quiet --no-deps litellm==1.109.1

# Portkey's gateway is a program for node. It asks for any @hono/node-server of version 1; with the latest of them every
# stream is answered by a 500 (node 20: its headers cannot be changed), so portkey.json names one that works.
if command -v npm > /dev/null; then
    mkdir -p "$venv/node"
    cp "$(dirname "$0")/portkey.json" "$venv/node/package.json"
    npm install --prefix "$venv/node" --silent --no-fund --no-audit
else
    echo "npm is missing: Portkey is left out of the comparison" >&2
fi
