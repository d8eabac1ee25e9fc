"""The fleet file: loading, checking and compiling it for the core.

    load / from_mapping → Config → compile → Compiled(fleet bytes, endpoints, config hash)

A file passes three stages, each with one job: `documents` reads YAML or TOML, `read` decides about shape and types,
`build` about names and meaning. All problems of a stage are reported together. `check` looks for what is legal but
doubtful. Nothing here opens a connection; secrets are opened by `compile` alone.
"""

from junctor.config.check import check
from junctor.config.compile import Compiled, compile
from junctor.config.errors import Problem
from junctor.config.load import from_mapping, load
from junctor.config.over_keys import over_keys
from junctor.config.valid import Config

__all__ = ["Compiled", "Config", "Problem", "check", "compile", "from_mapping", "load", "over_keys"]
