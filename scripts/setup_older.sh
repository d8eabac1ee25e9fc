#!/usr/bin/env bash
# Makes the environment of `tests/older` in the directory named by the first argument, with the interpreter of the second.
#
# Two things of the same name cannot be installed at once: the SDKs that programs have today (openai 2, anthropic 1) and
# their newest releases, which .venv has; and LiteLLM, whose Router is older than openai 3. junctor itself is not built
# again: the new environment reads it from this checkout.
#
# LiteLLM is installed by itself, with what its Router imports and no more: its metadata would add boto3, tokenizers and
# the Hugging Face hub, and asks for a certifi that not every index has. Its releases 1.82.7, 1.82.8 (compromised) and
# 1.107.x are bad, so the pin is exact. Bytecode is written by the first import, for the modules that are used.
set -euo pipefail

venv=${1:?usage: setup_older.sh DIRECTORY PYTHON}
python=${2:?usage: setup_older.sh DIRECTORY PYTHON}
checkout=$(cd "$(dirname "$0")/.." && pwd)

pip=("$python" -m pip --python "$venv/bin/python" install --quiet --no-compile --disable-pip-version-check)

"$python" -m venv --clear --without-pip "$venv"
"${pip[@]}" \
    'openai>=2.20,<3' 'anthropic>=1,<2' \
    'pytest>=8.4' 'httpx>=0.28' 'httpx2>=2' \
    'msgspec>=0.20' 'PyYAML>=6.0.1' 'pyreqwest>=0.15' \
    aiohttp click fastuuid h2 importlib-metadata jinja2 packaging pydantic pydantic-settings python-dotenv requests tiktoken
"${pip[@]}" --no-deps litellm==1.109.1
echo "$checkout/python" > "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/junctor.pth"
