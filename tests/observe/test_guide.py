"""The guide's tables are the code's: every family, attribute and field, with the words that the code has for it."""

from __future__ import annotations

import re

import pytest

from junctor.observe.log import ATTEMPT_FIELDS, CALL_FIELDS
from junctor.observe.otel import names
from junctor.observe.prometheus.families import COUNTED, OF_STATE, Family
from scripts.markdown import ROOT

GUIDE = (ROOT / "docs/guides/observe.md").read_text(encoding="utf-8")


def family_row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    return f"| `{family.name}` | {family.kind} | {labels} | {family.help} |"


def instrument_row(instrument: names.Instrument) -> str:
    return f"| `{instrument.name}` | {instrument.unit} | {instrument.what} |"


def word_rows(words: dict[str, str]) -> list[str]:
    return [f"| `{word}` | {meaning} |" for word, meaning in words.items()]


TABLES = {
    "### Counted as calls end": [family_row(family) for family in COUNTED],
    "### Read at the scrape": [family_row(family) for family in OF_STATE],
    "### The span of a call": word_rows(names.CALL_ATTRIBUTES),
    "### The span of an attempt": word_rows(names.ATTEMPT_ATTRIBUTES),
    "### Content": word_rows(names.CONTENT_ATTRIBUTES),
    "### Metrics": [instrument_row(each) for each in (*names.CLIENT_INSTRUMENTS, *names.SERVER_INSTRUMENTS)],
    "### A call's line": word_rows(CALL_FIELDS),
    "### An attempt's line": word_rows(ATTEMPT_FIELDS),
}


@pytest.mark.parametrize("heading", TABLES)
def test_a_table_of_the_guide_is_the_codes(heading: str) -> None:
    """Row by row, in the code's order, and nothing else."""
    section = GUIDE.split(f"\n{heading}\n")[1].split("\n#")[0]
    rows = re.findall(r"^\| `.*\|$", section, re.MULTILINE)
    assert rows == TABLES[heading]
