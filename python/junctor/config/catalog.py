"""What is known of models: context, longest answer, capabilities, price, end of life. A dated file, read when needed.

Big community catalogs cost up to 118 MB of dependencies and disagree, so one JSON file is made of three of them by
`make catalog` (`scripts/make_catalog.py`), reviewed and shipped; every row says of when it is and from where, and
everything in it can be overridden: key by key in the fleet file, or row by row by a catalog of one's own (`catalog:`).
A model that is not listed gets the careful facts of its dialect, counts as free of charge, and `check` says so.

A row that is `like` another one, a model at a second host, writes only what differs; the file stays small enough to be
reviewed. It costs a few milliseconds to read, once, in programs that load a fleet file; `import junctor` reads nothing.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor.config.prices import PriceRow
from junctor.exceptions import ConfigError

if TYPE_CHECKING:
    from junctor.config.valid import Config, Deployment

_FILE: Final = pathlib.Path(__file__).with_name("catalog.json")
_DATE: Final = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2}|default)\Z")
_VERSION: Final = re.compile(r"(-v\d+(:\d+)?|-\d+:\d+)\Z")
_REGION: Final = re.compile(r"/(us|eu|apac|au|jp|ca|in|us-gov|global)\.(?=[a-z]+\.)")
_MAKERS: Final = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "gemini",
    "x-ai": "xai",
    "mistralai": "mistral",
}
"""What resellers call the makers of closed models, whose prices they pass on; open models cost what each host asks."""

SOON_DAYS: Final = 90

MAX_BYTES: Final = 16 * 1024 * 1024  # of a catalog of one's own: LiteLLM's whole table has three


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known of one model.

    `bytes_per_token` errs on the low side, so that estimates err on the high one; what counts is its proportion to
    `junctor.estimate.BYTES_PER_TOKEN`, as measured for the family of models.

    Beyond the gate's capabilities: `sampling`, whether temperature and top_p may be set; `forced_tools`, whether a tool
    may be demanded (`tool_choice`); `prefill`, whether an answer may be begun for the model; `prompt_cache_min_tokens`,
    below which a prompt is not cached; `embedding_dimensions`, the length of a vector. `accounting` is the profile by
    which the provider counts, if it has one. Of its end, dates as YYYY-MM-DD: `seen_deprecated_on`, the day
    on which a table was first seen to call the model deprecated, so it was no later; `retires_on`, the day from which
    on a table says that it does not answer; `ends_by`, which tables say so. None of this is the provider's own notice.
    `newest_of_line` is the newest model whose name is of the same line: a place to look, and nobody's recommendation.
    """

    capabilities: tuple[str, ...]
    bytes_per_token: float
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    price: PriceRow | None = None
    sampling: bool = True
    forced_tools: bool = True
    prefill: bool = False
    prompt_cache_min_tokens: int | None = None
    embedding_dimensions: int | None = None
    accounting: str = ""
    seen_deprecated_on: str = ""
    retires_on: str = ""
    ends_by: str = ""
    newest_of_line: str = ""
    as_of: str = ""
    source: str = ""

    def status(self, today: str) -> str:
        """`retired: …` or `deprecated: …` with the dates and whose they are, or "" while neither is so.

        `today` is YYYY-MM-DD. A model that retires within three months counts as deprecated.
        """
        by = f" by {self.ends_by}" if self.ends_by else ""
        use = f"{by}; the newest of its line is {self.newest_of_line}" if self.newest_of_line else by
        if self.retires_on and self.retires_on <= today:
            return f"retired: since {self.retires_on}{use}"
        if not today:
            return ""
        soon = self.retires_on and _days(today, self.retires_on) <= SOON_DAYS
        if soon or (self.seen_deprecated_on and self.seen_deprecated_on <= today):
            return f"deprecated: {f'retires {self.retires_on}' if self.retires_on else 'no date is known'}{use}"
        return ""


def _days(first: str, last: str) -> int:
    return (dt.date.fromisoformat(last) - dt.date.fromisoformat(first)).days


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the tables that the file is made of."""

    version: str
    as_of: str
    licence: str


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A catalog file. Only `models` must be there: a catalog of one's own has no more to say."""

    models: dict[str, dict[str, Any]]
    as_of: str = ""
    sources: dict[str, Source] = {}
    notes: tuple[str, ...] = ()
    families: dict[str, Facts] = {}


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """When and from what it was made, the models by `provider/model`, and the careful facts of each dialect."""

    as_of: str
    sources: Mapping[str, Source]
    notes: tuple[str, ...]
    families: Mapping[str, Facts]
    models: Mapping[str, Facts]

    @staticmethod
    def load(path: str | os.PathLike[str], *, over: Catalog | None = None) -> Catalog:
        """The catalog in a JSON file, laid over `over` (default: the one that is shipped).

        A row of the file replaces the row of the same name; `like: provider/model` takes what it does not say from that
        one, its own name included. Raises `ConfigError` naming the row that is wrong.
        """
        try:
            with open(path, "rb") as stream:
                raw = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror}); give the path of a catalog file") from None
        if len(raw) > MAX_BYTES:
            raise ConfigError(f"{path}: is larger than {MAX_BYTES // 2**20} MiB; keep the models that the fleet uses")
        return _read(raw, str(path), catalog() if over is None else over)

    def over(self, below: Catalog) -> Catalog:
        """This catalog's rows, and those of `below` that it does not have."""
        return Catalog(
            as_of=self.as_of or below.as_of,
            sources={**below.sources, **self.sources},
            notes=(*below.notes, *self.notes),
            families={**below.families, **self.families},
            models={**below.models, **self.models},
        )

    def find(self, model: str, adapter: str) -> tuple[Facts, bool]:
        """The facts of `provider/model`, and whether the catalog lists it.

        A date or version at the end of the name is ignored where the whole name is not listed. A model served by
        somebody else is found under its dialect (`azure/gpt-4.1` as `openai/gpt-4.1`) or under its maker
        (`openrouter/x-ai/grok-4.5` as `xai/grok-4.5`), one of a region (`us.anthropic.claude-opus-5`) under the name
        without it, and an open model under its own name at any host, then without price: hosts set their own.
        """
        found = next((facts for name in _names(model, adapter) if (facts := self.models.get(name)) is not None), None)
        if found is not None:
            return found, True
        return self.families.get(adapter) or self.families["openai"], False


def _names(model: str, adapter: str) -> Iterator[str]:
    """The names under which a model may be listed, the most exact first."""
    undated = _DATE.sub("", model)
    unversioned = _DATE.sub("", _VERSION.sub("", model))
    for short in dict.fromkeys((model, undated, unversioned)):
        _, _, tail = short.partition("/")
        maker, _, last = tail.rpartition("/")
        yield short
        yield _REGION.sub("/", short, count=1)
        yield f"{adapter}/{tail}"
        yield f"{_MAKERS.get(maker)}/{last.replace('.', '-') if maker == 'anthropic' else last}"
        yield f"open/{last.lower()}"


@functools.cache
def catalog() -> Catalog:
    """The catalog that is shipped. Read once, on first use; it never changes while the program runs."""
    empty = Catalog(as_of="", sources={}, notes=(), families={}, models={})
    return _read(_FILE.read_bytes(), _FILE.name, empty)


def _read(raw: bytes, source: str, below: Catalog) -> Catalog:
    try:
        document = msgspec.json.decode(raw, type=_Document)
    except msgspec.MsgspecError as error:
        raise ConfigError(f'{source}: is no catalog ({error}); write {{"models": {{"provider/model": …}}}}') from None
    rows = _Rows(document, below.models, source)
    own = Catalog(
        as_of=document.as_of,
        sources=document.sources,
        notes=document.notes,
        families=document.families,
        models={name: rows.facts(name) for name in document.models},
    )
    return own.over(below)


class _Rows:
    """The rows of a file as facts: what one leaves out is found in the row that it is like."""

    def __init__(self, document: _Document, below: Mapping[str, Facts], source: str) -> None:
        self.document, self.below, self.source = document, below, source
        self.found: dict[str, Facts] = {}

    def facts(self, name: str, asked: tuple[str, ...] = ()) -> Facts:
        """The facts of a row of the file; `asked` are the rows whose likeness led here."""
        if name in self.found:
            return self.found[name]
        row: dict[str, Any] = {"as_of": self.document.as_of, **self.document.models[name]}
        like = row.pop("like", None)
        base: dict[str, Any] = {} if like is None else _shared(self._like(name, like, asked))
        try:
            self.found[name] = msgspec.convert({**base, **row}, Facts)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{self.source}: models.{name}: {error}; see the rows of the shipped catalog") from None
        return self.found[name]

    def _like(self, name: str, like: object, asked: tuple[str, ...]) -> Facts:
        if isinstance(like, str) and like in self.document.models and like not in (name, *asked):
            return self.facts(like, (name, *asked))
        if isinstance(like, str) and like in self.below:
            return self.below[like]
        text = f"is like {like!r}, which is listed neither before it nor in the shipped catalog; name a provider/model"
        raise ConfigError(f"{self.source}: models.{name}: {text}")


def _shared(facts: Facts) -> dict[str, Any]:
    """A row's fields without its end of life: a model ends at each host on a day of its own."""
    own = {"seen_deprecated_on", "retires_on", "ends_by", "newest_of_line"}
    return {name: getattr(facts, name) for name in Facts.__struct_fields__ if name not in own}


def facts_of(config: Config, deployment: str | Deployment) -> Facts:
    """What is known of one deployment of a fleet, by its name or as the config has it: the fleet file's own word first.

    The one place for capabilities, limits and price as they are told to people: `/v1/models`, a model's profile,
    `junctor models`. Raises `KeyError` for a name that is no deployment.
    """
    item = _deployment(config, deployment) if isinstance(deployment, str) else deployment
    price = item.price
    tiers = [msgspec.structs.asdict(tier) for tier in price.tiers]
    told = {**{name: getattr(price, name) for name in price.__struct_fields__}, "tiers": tiers}
    listed = item.facts.price
    return msgspec.structs.replace(
        item.facts,
        capabilities=item.capabilities,
        bytes_per_token=item.bytes_per_token,
        context_tokens=item.context_tokens,
        max_output_tokens=item.max_output_tokens,
        price=msgspec.convert({**told, "batch": None if listed is None else listed.batch}, PriceRow)
        if item.priced
        else None,
        accounting=config.providers[item.provider].accounting.name,
    )


def facts_of_all(config: Config, name: str) -> Facts:
    """What a caller of `name`, a group, a model or a deployment, can count on finding: what any of its members can.

    The gate sends a request only where it fits, so abilities are those of all members together and limits those of the
    widest. The price is that of the dearest. Raises `KeyError` for a name that the fleet does not have.
    """
    named = config.groups[name].members if name in config.groups else ()
    every = [
        item for item in config.deployments if item.name in named or name in (item.name, item.declared, item.model)
    ]
    if not every:
        raise KeyError(name)
    facts = [facts_of(config, item) for item in every]
    words = dict.fromkeys(word for each in facts for word in each.capabilities)
    priced = [each.price for each in facts if each.price is not None]
    return msgspec.structs.replace(
        facts[0],
        capabilities=tuple(words),
        context_tokens=_widest([each.context_tokens for each in facts]),
        max_output_tokens=_widest([each.max_output_tokens for each in facts]),
        price=max(priced, key=lambda price: (price.output, price.input), default=None),
    )


def _widest(bounds: list[int | None]) -> int | None:
    known = [bound for bound in bounds if bound is not None]
    return max(known) if len(known) == len(bounds) else None


def _deployment(config: Config, name: str) -> Deployment:
    found = next((item for item in config.deployments if name in (item.name, item.declared)), None)
    if found is None:
        raise KeyError(name)
    return found
