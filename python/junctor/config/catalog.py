"""What is known of models: context, longest answer, capabilities, price. A small dated file, read when first needed.

Big community catalogs cost up to 118 MB of dependencies and disagree, so one JSON file is made of three of them by
`make catalog` (`scripts/make_catalog.py`), reviewed and shipped; every row says of when it is and from where, and
everything in it can be overridden in the fleet file. A model that is not listed gets the careful facts of its dialect,
counts as free of charge, and `check` says so.
"""

from __future__ import annotations

import functools
import pathlib
import re
from collections.abc import Mapping
from typing import Final

import msgspec

_FILE: Final = pathlib.Path(__file__).with_name("catalog.json")
_DATE: Final = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})\Z")
_MAKERS: Final = {"openai": "openai", "anthropic": "anthropic", "google": "gemini", "x-ai": "xai"}
"""What resellers call the makers of closed models, whose prices they pass on; open models cost what each host asks."""

_KIN: Final = {"bedrock": "anthropic", "mistral": "openai"}
"""Whose careful facts an unlisted model of a dialect gets that has none of its own."""

MICROS: Final = 1_000_000


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """Micro-dollars per million tokens."""

    input: int = 0
    output: int = 0
    cached_input: int = 0
    cache_write: int = 0


def price_from_usd(
    input_usd: float, output_usd: float, cached_usd: float | None = None, write_usd: float | None = None
) -> Price:
    """A price from dollars per million tokens; what is not given costs what plain input costs."""
    return Price(
        input=round(input_usd * MICROS),
        output=round(output_usd * MICROS),
        cached_input=round((input_usd if cached_usd is None else cached_usd) * MICROS),
        cache_write=round((input_usd if write_usd is None else write_usd) * MICROS),
    )


class PriceRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Micro-dollars per million tokens, as the catalog file writes them. Base tier: short prompts, no batch discount.

    What is not given costs what plain input costs.
    """

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None

    @property
    def whole(self) -> Price:
        """The price with nothing left open."""
        return Price(
            input=self.input,
            output=self.output,
            cached_input=self.input if self.cached_input is None else self.cached_input,
            cache_write=self.input if self.cache_write is None else self.cache_write,
        )


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of one model. `bytes_per_token` errs on the low side, so that estimates err on the high one; what
    counts is its proportion to `junctor.estimate.BYTES_PER_TOKEN`, as measured for the family of models."""

    capabilities: tuple[str, ...]
    bytes_per_token: float
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    price: PriceRow | None = None
    as_of: str = ""
    source: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the tables that the file is made of."""

    version: str
    as_of: str
    licence: str


class Catalog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file: when and from what it was made, the models, and the careful facts of each dialect."""

    as_of: str
    sources: Mapping[str, Source]
    notes: tuple[str, ...]
    families: Mapping[str, Facts]
    models: Mapping[str, Facts]

    def find(self, model: str, adapter: str) -> tuple[Facts, bool]:
        """The facts of `provider/model`, and whether the catalog lists it.

        A date at the end of the name is ignored. A model served by somebody else is found under its dialect
        (`azure/gpt-4.1` as `openai/gpt-4.1`) or under its maker (`openrouter/x-ai/grok-4.5` as `xai/grok-4.5`), and an
        open model under its own name at any host, then without price: hosts set their own.
        """
        provider, _, tail = _DATE.sub("", model).partition("/")
        maker, _, last = tail.rpartition("/")
        made = f"{_MAKERS.get(maker)}/{last.replace('.', '-') if maker == 'anthropic' else last}"
        for name in (f"{provider}/{tail}", f"{adapter}/{tail}", made, f"open/{last.lower()}"):
            if (facts := self.models.get(name)) is not None:
                return facts, True
        return self.families.get(adapter) or self.families[_KIN[adapter]], False


@functools.cache
def catalog() -> Catalog:
    """The catalog that is shipped. Read once, on first use; it never changes while the program runs."""
    return msgspec.json.decode(_FILE.read_bytes(), type=Catalog)
