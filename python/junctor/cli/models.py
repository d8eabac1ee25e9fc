"""`junctor models`: the catalog as a table, filtered; one model in full; or what the deployments of a fleet resolve to.

Statuses are as of today: the command is the shell, so it reads the calendar. Nothing that is found is status 1, as when
one searches a file.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from junctor.cli.ending import OK, PROBLEMS, reader_may_leave
from junctor.cli.files import fleet_in
from junctor.cli.text import Paint, paint_for, plural, table, wrapped
from junctor.config.catalog import Facts, catalog, facts_of
from junctor.config.listing import ORDERS, Wanted, listed, told
from junctor.config.prices import MICROS
from junctor.config.spec import CAPABILITIES
from junctor.config.valid import Config, Deployment

LETTERS: Final = {
    "tools": "T", "parallel_tools": "P", "images": "I", "files": "F", "audio": "A", "structured_output": "S",
    "reasoning": "R", "streaming": "", "logprobs": "L", "embeddings": "E",
}  # fmt: skip
"""One letter for each capability; that answers can be streamed goes without saying."""

_LABEL: Final = 26


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor models`."""
    words = tuple(dict.fromkeys((*CAPABILITIES, "embeddings")))
    command.add_argument("text", metavar="TEXT", nargs="*", help="words that all stand in the model's name")
    command.add_argument("--provider", action="append", default=[], metavar="NAME", help="of this provider; repeatable")
    command.add_argument("--can", action="append", default=[], choices=words, metavar="CAPABILITY",
                         help=f"able to do this; repeatable: {', '.join(words)}")  # fmt: skip
    command.add_argument("--max-price", type=float, metavar="USD",
                         help="per million tokens at most, three of the prompt for one of the answer")  # fmt: skip
    command.add_argument("--min-context", type=int, metavar="TOKENS", help="reads at least so many tokens")
    command.add_argument("--deprecated", action="store_true", help="only those that are deprecated or retired")
    command.add_argument("--sort", choices=ORDERS, default="name", help="by name (default), price or context")
    command.add_argument("--fleet", metavar="FILE", help="the deployments of this fleet file, as they resolve")


def run(arguments: argparse.Namespace) -> int:
    """List and print; 1 if nothing is as wanted."""
    today = dt.date.today().isoformat()
    wanted = Wanted(
        text=arguments.text,
        providers=arguments.provider,
        can=arguments.can,
        max_usd=arguments.max_price,
        min_context=arguments.min_context,
        ending=arguments.deprecated,
        order=arguments.sort,
    )
    if arguments.fleet is not None:
        fleet = fleet_in(arguments.fleet)[1]
        deployed = list(_deployed(fleet, wanted, today))
        rows = [(item.name, item.model, facts) for item, facts in deployed]
        found = [{"deployment": item.name, **_resolved(item), **told(item.model, facts, today=today)}
                 for item, facts in deployed]  # fmt: skip
    else:
        rows = [("", name, facts) for name, facts in listed(catalog().models, wanted, today=today)]
        found = [told(name, facts, today=today) for _, name, facts in rows]
    with reader_may_leave():
        if arguments.json:
            print(msgspec.json.encode({"as_of": catalog().as_of, "models": found}).decode())
        else:
            _print(rows, arguments.text, today, paint_for(sys.stdout), fleet=arguments.fleet is not None)
    return OK if rows else PROBLEMS


def _deployed(fleet: Config, wanted: Wanted, today: str) -> Iterator[tuple[Deployment, Facts]]:
    """The deployments whose model is as wanted, in the order that is asked for."""
    by_name = {f"{item.model} {item.name}": item for item in fleet.deployments}
    told_of = {name: facts_of(fleet, item) for name, item in by_name.items()}
    providers = wanted.providers
    for name, facts in listed(told_of, msgspec.structs.replace(wanted, providers=()), today=today):
        if not providers or by_name[name].provider in providers:
            yield by_name[name], facts


def _resolved(item: Deployment) -> dict[str, Any]:
    return {"provider": item.provider, "in_catalog": item.in_catalog, "priced": item.priced}


Row = tuple[str, str, Facts]
"""A deployment, or nothing for a row of the catalog; the model; what is known of it."""


def _print(rows: Sequence[Row], text: Sequence[str], today: str, paint: Paint, *, fleet: bool) -> None:
    exact = [row for row in rows if not fleet and [row[1]] == list(text)]
    if not rows:
        print("no model is as wanted; ask for less, or see junctor models --help")
    elif exact or (len(rows) == 1 and not fleet):
        print("\n".join(_whole(*(exact or rows)[0][1:], today, paint)))
    else:
        print("\n".join(_table(rows, today, paint, fleet=fleet)))
        counted = plural(len(rows), "deployment" if fleet else "model")
        about = f"{counted}, catalog of {catalog().as_of}; dollars per million tokens, + dearer if long"
        letters = " ".join(f"{letter} {word.replace('_', ' ')}" for word, letter in LETTERS.items() if letter)
        print("\n".join(paint(line, "dim") for line in (about, *wrapped(letters))))


def _table(rows: Sequence[Row], today: str, paint: Paint, *, fleet: bool) -> list[str]:
    words = (*(("deployment",) if fleet else ()), "model", "context", "in", "out", "can", "")
    header = tuple(paint(word, "dim") for word in words)
    lines = [header, *((*((row[0],) if fleet else ()), *_row(row[1], row[2], today, paint)) for row in rows)]
    return table(lines, "<<>>><<" if fleet else "<>>><<", indent=0)


def _row(name: str, facts: Facts, today: str, paint: Paint) -> tuple[str, ...]:
    price = facts.price
    usd = ("", "") if price is None else (_usd(price.input), _usd(price.output) + ("+" if price.tiers else ""))
    status = facts.status(today).partition(",")[0]
    can = "".join(LETTERS.get(word, "?") for word in facts.capabilities)
    colour = "red" if status.startswith("retired") else "yellow"
    return name, tokens(facts.context_tokens), *usd, can, paint(status, colour)


def tokens(count: int | None) -> str:
    """`128k`, `1.05M`: as many digits as tell something."""
    if count is None:
        return "?"
    return f"{count / 1e6:.3g}M" if count >= 1_000_000 else f"{count / 1e3:.0f}k" if count >= 1_000 else str(count)


def _usd(micros: int) -> str:
    return f"{micros / MICROS:.2f}" if micros >= 10_000 or not micros else f"{micros / MICROS:.4f}"


def _whole(name: str, facts: Facts, today: str, paint: Paint) -> list[str]:
    """One model, a line for each thing that is known."""
    found = told(name, facts, today=today)
    lines = [paint(found.pop("model"), "bold")]
    price = found.pop("price_usd_per_million", {})
    tiers, batch = price.pop("tiers", []), price.pop("batch", None)
    for word, value in found.items():
        lines += _line(word, _said(value))
    lines += _line("dollars per million", _pairs(price)) if price else []
    for tier in tiers:
        lines += _line(f"above {tokens(tier.pop('above_input_tokens'))} of prompt", _pairs(tier))
    return lines + (_line("in batches", _pairs(batch)) if batch else [])


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _pairs(price: dict[str, float]) -> str:
    return ", ".join(f"{word.replace('_', ' ')} {usd:g}" for word, usd in price.items())


def _line(word: str, text: str) -> list[str]:
    first, *more = wrapped(text, indent=_LABEL) or [""]
    return [f"  {word.replace('_', ' '):<{_LABEL - 2}}{first[_LABEL:]}", *more]
