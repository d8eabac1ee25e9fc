"""From plain mappings to a `FleetSpec`, with every problem of shape reported at once.

The whole mapping is first decoded in one go, which is what happens to every right file and costs milliseconds for ten
thousand deployments. Only when that fails, the mapping is walked again beside the types to say everything that is
wrong. The walk reports; the decoder decides: if the walk finds nothing, the decoder's own text is reported.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import msgspec

from junctor.config.describe import LISTS, MAPPINGS, arms, describe, keys, words_of
from junctor.config.errors import MAX_PROBLEMS, Path, Problems, did_you_mean, looks_secret, nearest, scrub, show_at
from junctor.config.references import HINT
from junctor.config.spec import FleetSpec

MAX_DEPTH: Final = 40  # sections in sections; conditions nest, but nobody reads them deeper than this
MAX_NODES: Final = 1_000_000  # values in one file, aliases expanded: stops a small file that means a huge one

_MOVED: Final = {
    "api_key": "key",
    "api_keys": "keys",
    "api_base": "base_url",
    "max_parallel_requests": "concurrency",
    "itpm": "input_tpm",
    "otpm": "output_tpm",
    "fallbacks": "fallback",
    "timeout": "first_content_timeout_s",
    "burst": "burst_s",
}


def read(raw: object, problems: Problems) -> FleetSpec | None:
    """The spec, or None after reporting what is wrong with the shape."""
    plain = _Plain(problems)
    tree = plain.copy(raw, (), 0)
    if plain.stopped:
        return None
    before = len(problems.found)
    try:
        return msgspec.convert(tree, FleetSpec)
    except msgspec.ValidationError as error:
        look(tree, FleetSpec, (), problems)
        if len(problems.found) == before:
            problems.error((), scrub(str(error)))
        return None


class _Plain:
    """Copies a mapping to plain dictionaries and lists, within bounds; reports empty values and leaves them out."""

    __slots__ = ("left", "problems", "stopped")

    def __init__(self, problems: Problems) -> None:
        self.left = MAX_NODES
        self.problems = problems
        self.stopped = False

    def copy(self, value: object, path: Path, depth: int) -> object:
        self.left -= 1
        if self.left < 0 or depth > MAX_DEPTH:
            self._stop(path[:MAX_DEPTH])
        if self.stopped:
            return None
        if isinstance(value, Mapping):
            return self._mapping(value, path, depth)
        if isinstance(value, list | tuple):
            return [self.copy(item, (*path, index), depth + 1) for index, item in enumerate(value)]
        if isinstance(value, str) and not _is_whole(value):
            self.problems.error(path, "holds half a character (a lone surrogate); write whole text")
            return "?"
        return value

    def _mapping(self, value: Mapping[object, object], path: Path, depth: int) -> dict[str, object]:
        copied = {}
        for key, item in value.items():
            if not isinstance(key, str) or not _is_whole(key):
                what = "half a character" if isinstance(key, str) else f"a {type(key).__name__}"
                self.problems.error(path, f"a key here is {what}; keys are texts")
            elif item is None:
                self.problems.error((*path, key), "is empty; give it a value, or remove it (an empty section is {})")
            else:
                copied[key] = self.copy(item, (*path, key), depth + 1)
        return copied

    def _stop(self, path: Path) -> None:
        if not self.stopped:
            what = (
                f"has more than {MAX_NODES:,} values" if self.left < 0 else f"is nested deeper than {MAX_DEPTH} levels"
            )
            self.problems.error(path[:6], f"{what}; a fleet file is flatter and smaller")
        self.stopped = True


def _is_whole(text: str) -> bool:
    """Whether the text can be written as UTF-8; what JSON escapes made of half a pair cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def look(value: object, kind: Any, path: Path, problems: Problems) -> None:
    """Reports what is wrong with one value, going into sections as deep as they are of the right shape.

    `kind` may be any type that `msgspec.convert` takes.
    """
    if len(problems.found) >= MAX_PROBLEMS:
        return
    arm = _section(value, kind)
    if arm is None:
        _look_leaf(value, kind, path, problems)
    elif get_origin(arm) in LISTS and isinstance(value, list):
        if not value:
            _look_leaf(value, kind, path, problems)
        for index, item in enumerate(value):
            look(item, get_args(arm)[0], (*path, index), problems)
    elif get_origin(arm) in MAPPINGS and isinstance(value, dict):
        _look_names(value, arm, path, problems)
    elif isinstance(value, dict):
        _look_struct(value, arm, path, problems)


def _section(value: object, kind: Any) -> Any:
    """The arm of the type that is a section of the value's own shape: a struct, a mapping or a list."""
    for arm in map(_bare, arms(kind)):
        if isinstance(value, dict) and (get_origin(arm) in MAPPINGS or hasattr(arm, "__struct_fields__")):
            return arm
        if isinstance(value, list) and get_origin(arm) in LISTS:
            return arm
    return None


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _look_names(value: dict[str, object], kind: Any, path: Path, problems: Problems) -> None:
    name_kind, item_kind = get_args(kind)
    for name, item in value.items():
        if not _fits(name, name_kind):
            problems.error((*path, name), f"this name is not {describe(name_kind)}")
        look(item, item_kind, (*path, name), problems)


def _look_struct(value: dict[str, object], kind: Any, path: Path, problems: Problems) -> None:
    known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    hints = _hints(kind)
    for key, item in value.items():
        if key in known:
            look(item, hints[known[key].name], (*path, key), problems)
        else:
            problems.error((*path, key), f"unknown key; {_known_key(key, kind)}")
    for key, field in known.items():
        if field.required and key not in value:
            problems.error(path, f"{key} is missing; it is {describe(hints[field.name])}{_if_version(key)}")


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _if_version(key: str) -> str:
    return "; begin the file with version: 1" if key == "version" else ""


def _known_key(key: str, kind: Any) -> str:
    moved = _MOVED.get(key)
    if moved in keys(kind):
        return f"did you mean {moved!r}?"
    return did_you_mean(key, sorted(keys(kind)), what="keys") if not looks_secret(key) else "it looks like a secret"


def _look_leaf(value: object, kind: Any, path: Path, problems: Problems) -> None:
    if not _fits(value, kind):
        problems.error(path, f"{show_at(path, value)} is not {describe(kind)}{_hint(value, kind, path)}")


def _fits(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _hint(value: object, kind: Any, path: Path) -> str:
    if (near := nearest(value, words_of(kind))) is not None:
        return f"; did you mean {near!r}?"
    key = path[-1] if path else None
    if key in ("key", "keys", "redis"):
        return f"; {HINT}"
    if key == "weight" and isinstance(value, int | float):
        return "; 0 drains the deployment"
    if value == 0 and not isinstance(value, bool) and key in _ZERO:
        return "; to stop traffic set weight: 0, to lift the limit remove it"
    if isinstance(value, str) and bool in arms(kind) and value.lower() in ("yes", "no", "on", "off"):
        return "; only true and false are booleans here"
    return ""


_ZERO: Final = frozenset({"rpm", "tpm", "input_tpm", "output_tpm", "rpd", "tpd", "concurrency", "usd_per_day"})
