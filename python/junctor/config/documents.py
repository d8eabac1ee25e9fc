"""YAML and TOML to plain values, without YAML's surprises, and with the line of every key.

PyYAML's safe loader keeps the last of two equal keys, turns `no` into false, `12:30` into 750, `010` into 8 and dates
into objects, and forgets where anything stood. So only its parser is used: the nodes are read here by YAML 1.2's rules
(`true` and `false` are the only booleans) plus underscores in numbers. Duplicate keys are errors. Anchors, aliases and
merge keys work; an alias may not contain itself, and the size after expansion is bounded by the reader.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from junctor.config.errors import Path, Problems, scrub, show, show_path

MAX_EXPANDED: Final = 1_000_000  # nodes after aliases are expanded; stops "billion laughs" before memory does
_DEEP: Final = 40
_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)")
_FLOAT: Final = re.compile(r"[-+]?[0-9]+(_[0-9]+)*(\.[0-9]*)?([eE][-+]?[0-9]+)?|[-+]?\.[0-9]+([eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, object]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", "+.inf", ".Inf", ".INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_STR: Final = "tag:yaml.org,2002:str"
_TAGS: Final = frozenset({_STR, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # libyaml where it is built in: ten times faster


class Refusal(Exception):
    """The document cannot be read at all."""


def parse_toml(text: str, problems: Problems) -> object:
    """The document as plain values; a syntax error is reported and gives None."""
    import tomllib  # most fleet files are YAML

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what = scrub(str(error))
    except RecursionError:
        what = "nested too deeply"
    except ValueError:  # Python converts no text of that many digits
        what = "a number has thousands of digits"
    problems.unreadable(f"is not valid TOML: {what}")
    return None


def parse_yaml(text: str, problems: Problems) -> object:
    """The document as plain values; syntax errors and duplicate keys are reported. Fills `problems.lines`."""
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        problems.unreadable(f"is not valid YAML: {_syntax(error, text)}")
        return None
    except RecursionError:
        problems.unreadable("is not valid YAML: nested too deeply")
        return None
    walk = _Walk(problems)
    problems.lines = walk.lines
    try:
        value = None if node is None else walk.value(node, ())
    except Refusal as refusal:
        problems.unreadable(str(refusal))
        return None
    if value is None:
        problems.unreadable("is empty; a fleet file begins with version: 1")
    return value


def _syntax(error: yaml.YAMLError, text: str) -> str:
    """The parser's own words without its snippet of the text, which could show a secret."""
    mark = getattr(error, "problem_mark", None)
    what = scrub(str(getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable text"))
    if mark is None:
        return what
    place = f"line {mark.line + 1}, column {mark.column + 1}"
    begun = "".join(text.splitlines()[mark.line : mark.line + 1])
    return f"{what} ({place})" + ("; indent with blanks, not with tabs" if begun.lstrip(" ").startswith("\t") else "")


class _Walk:
    """Reads one node tree."""

    __slots__ = ("left", "lines", "problems")

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.lines: dict[Path, int] = {}
        self.left = MAX_EXPANDED

    def value(self, node: yaml.Node, path: Path) -> object:
        self.left -= 1
        if self.left < 0:
            raise Refusal(f"means more than {MAX_EXPANDED:,} values; a fleet file is smaller")
        if len(path) > _DEEP:
            raise Refusal(f"is nested deeper than {_DEEP} levels at {show_path(path[:6])}…; a fleet file is flatter")
        if node.tag not in _TAGS:
            raise Refusal(
                f"line {node.start_mark.line + 1}: the tag {show(node.tag)} is not allowed; write plain values"
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, path)
        return _scalar(node)

    def _sequence(self, node: yaml.SequenceNode, path: Path) -> list[object]:
        items = []
        for index, item in enumerate(node.value):
            self.lines[(*path, index)] = item.start_mark.line + 1
            items.append(self.value(item, (*path, index)))
        return items

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        own: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise Refusal(f"line {line}: a key is a list or a mapping; keys are texts")
            if key_node.value == "<<":
                merged = {**self._merge(value_node, path), **merged}
                continue
            key = key_node.value
            if key in own:
                self._duplicate((*path, key), line)
            self.lines[(*path, key)] = line
            own[key] = self.value(value_node, (*path, key))
        return {**merged, **own}

    def _merge(self, node: yaml.Node, path: Path) -> dict[str, object]:
        """The mapping, or the mappings with the first one winning, that `<<` adds."""
        found = self.value(node, path)
        parts = found if isinstance(found, list) else [found]
        merged: dict[str, object] = {}
        for part in parts:
            if not isinstance(part, dict):
                raise Refusal(f"line {node.start_mark.line + 1}: << merges mappings only")
            merged = {**part, **merged}
        return merged

    def _duplicate(self, path: Path, line: int) -> None:
        first = self.lines.get(path)
        self.lines[path] = line
        self.problems.error(path, f"is given twice, first in line {first}; remove one of the two")


def _scalar(node: yaml.Node) -> object:
    text = str(node.value)
    if getattr(node, "style", None) in ("'", '"', "|", ">"):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > 100:  # no number of a fleet file is longer, and huge ones are slow to read
        return text
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) and not _leading_zero(text) else text


def _leading_zero(text: str) -> bool:
    """`010` is eight in YAML 1.1 and ten in 1.2: it stays text, and the reader's message asks for a number."""
    digits = text.lstrip("+-")
    return len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
