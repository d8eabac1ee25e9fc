"""A Grafana dashboard and Prometheus alert rules over the families of `junctor.observe.prometheus`.

The files are `junctor.json`, to be imported into Grafana, and `junctor.rules.yml`, to be named in Prometheus'
`rule_files`. `python -m junctor.observe.grafana DIRECTORY` copies both out of the package. The dashboard is written by
`scripts/make_dashboard.py`; the tests compare every name and label in both files with the exported families.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

DASHBOARD: Final = "junctor.json"
RULES: Final = "junctor.rules.yml"


def read(name: str) -> str:
    """The text of `DASHBOARD` or `RULES`."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
