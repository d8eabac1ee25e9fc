"""JSON schemas for providers that accept only a part of JSON Schema: `fit(schema, profile)`.

A schema written for one provider must still work at another after a fallback. So it is rewritten to what the other
takes: references are replaced by what they name, alternatives said in the one form there is, objects closed where that
is demanded, and keywords that cannot be enforced are moved into the description, where the model still reads them.
Every rewriting that changes what is accepted leaves a note, in words that name the keyword and never its value.

Refusing such schemas was rejected: nearly every schema that a library generates has something that some provider lacks.
The given schema is never changed. Fitting one of 1 kB costs about 60 µs, so the latest results are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from junctor.adapters.profiles import SchemaProfile, profile_for
from junctor.adapters.schema_merge import MAX_DEPTH, cyclic, listed, merged, resolve
from junctor.adapters.schema_node import Node, Notes

__all__ = ["SchemaProfile", "fit", "loses", "profile_for", "tightens"]

MAX_NODES: Final = 4_000
"""Schemas of one fitting. Replacing references can double a schema at every level; real ones have some hundred."""

UNROLLED: Final = 2
"""How often a definition that names itself is written out within itself where it must not."""

_REMEMBERED_BYTES: Final = 32_768
_BRANCHES: Final = frozenset({"anyOf", "oneOf", "allOf"})
_BESIDE_ROOT: Final = frozenset({"anyOf", "oneOf", "allOf", "enum", "not", "$ref", "const"})

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode

_EXACT: Final = frozenset({"$ref inlined", "allOf merged"})
_TIGHTER: Final = frozenset(
    {
        "objects closed",
        "additionalProperties dropped",
        "optional properties made required, may be null",
        "types filled in",
        "untyped values narrowed",
        "alternatives at the top merged",
    }
)


def fit(schema: Any, profile: SchemaProfile) -> tuple[Any, tuple[str, ...]]:
    """(the schema as `profile` takes it, notes on what was changed). The result is shared and must not be changed.

    Fitting what was fitted changes nothing. What is no schema at all is returned as it is: the provider says why.
    """
    if profile.keywords is None and _plain_root(schema):
        return schema, ()
    try:
        encoded = _encode(schema)
    except (TypeError, ValueError, RecursionError):
        return schema, ()  # the body cannot be written either, and says so better
    if len(encoded) > _REMEMBERED_BYTES:
        return _fitted(_decode(encoded), profile)
    return _remembered(encoded, profile)


def tightens(note: str) -> bool:
    """Whether the rewriting of this note may exclude answers that the original schema accepts."""
    return note.partition(" (")[0] in _TIGHTER


def loses(note: str) -> bool:
    """Whether something that the schema demands is no longer enforced, or something it allows no longer possible."""
    return note.partition(" (")[0] not in _EXACT | {"objects closed"}


@lru_cache(maxsize=256)
def _remembered(encoded: bytes, profile: SchemaProfile) -> tuple[Any, tuple[str, ...]]:
    return _fitted(_decode(encoded), profile)


def _fitted(schema: Any, profile: SchemaProfile) -> tuple[Any, tuple[str, ...]]:
    if not isinstance(schema, Mapping):
        return ({"type": "object", "properties": {}} if schema is True else schema), ()
    fitting = _Fitting(schema, profile)
    out = fitting.whole()
    return out, tuple(f"{note} ({profile.name})" for note in fitting.notes.found)


def _plain_root(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("type") == "object" and not _BESIDE_ROOT & schema.keys()


class _Fitting:
    """One schema on its way into one profile."""

    def __init__(self, root: Mapping[str, Any], profile: SchemaProfile) -> None:
        self.root = root
        self.profile = profile
        self.notes = Notes()
        self.room = MAX_NODES
        self.inline_all = profile.refs == "inline" or (not profile.recursion and cyclic(root))

    def whole(self) -> Any:
        """The fitted schema, with the definitions that it still needs."""
        profile = self.profile
        top = dict(self.root)
        definitions = {key: top.pop(key) for key in ("$defs", "definitions") if key in top}
        if profile.root_object:
            top = self._object_at_top(top)
        if profile.keywords is None:
            return {**top, **definitions}
        out = self.node(top, 0, ())
        if profile.root_keywords is not None:
            self._bare_top(out)
        for key, inner in definitions.items():
            if not self.inline_all and key in profile.keywords and isinstance(inner, Mapping):
                out[key] = {name: self.node(value, 1, ()) for name, value in inner.items()}
        return out

    def node(self, schema: Any, depth: int, within: tuple[str, ...]) -> Any:
        """One schema and everything inside it. `within` are the references that lead here."""
        if schema is False:
            self.notes.add("false schema loosened")
        if not isinstance(schema, Mapping):
            return Node({}, self.profile, self.notes).finished() if isinstance(schema, bool) else schema
        self.room -= 1
        if depth > MAX_DEPTH or self.room < 0:
            self.notes.add("too large, cut")
            return Node(_stump(schema), self.profile, self.notes).finished()
        flat, within = self.flat(schema, within)
        if "$ref" in flat:
            return flat
        node = Node(flat, self.profile, self.notes)
        if node.spread():
            flat = node.words
        node.inside(lambda inner: self.node(inner, depth + 1, within))
        return node.finished()

    def flat(self, schema: Mapping[str, Any], within: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The schema without references and `allOf`, unless the dialect takes them."""
        flat = dict(schema)
        for _ in range(MAX_DEPTH):
            if "$ref" in flat:
                if self._stays(flat):
                    return {"$ref": flat["$ref"]}, within
                flat, within = self._inlined(flat, within)
            elif "allOf" in flat and not self._may("allOf"):
                flat = self._conjoined(flat)
            else:
                break
        return flat, within

    def _may(self, keyword: str) -> bool:
        return self.profile.keywords is None or keyword in self.profile.keywords

    def _stays(self, flat: Mapping[str, Any]) -> bool:
        """Providers take a reference alone, and one that names a definition."""
        if self.inline_all or len(flat) > 1:
            return False
        ref = flat["$ref"]
        if ref == "#":
            return self.profile.recursion
        words = str(ref).split("/")
        return len(words) == 3 and words[0] == "#" and self._may(words[1]) and resolve(self.root, ref) is not None

    def _inlined(self, flat: dict[str, Any], within: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
        ref = flat.pop("$ref")
        target = resolve(self.root, ref)
        if target is None:
            self.notes.add("$ref dropped")
            return flat, within
        if within.count(ref) >= UNROLLED:
            self.notes.add("recursion cut")
            return self._joined(flat, _stump(target)), within
        self.notes.add("$ref inlined")
        inner = {key: value for key, value in target.items() if key not in ("$defs", "definitions")}
        return self._joined(flat, inner), (*within, ref)

    def _conjoined(self, flat: dict[str, Any]) -> dict[str, Any]:
        parts = flat.pop("allOf")
        if not isinstance(parts, list):
            return flat
        self.notes.add("allOf merged")
        for part in parts:
            if part is False:
                self.notes.add("false schema loosened")
            if isinstance(part, Mapping):
                flat = self._joined(flat, part)
        return flat

    def _joined(self, flat: dict[str, Any], other: Any) -> dict[str, Any]:
        """Both at once. A second reference or list of alternatives has no place: the first is written out before."""
        if not isinstance(other, Mapping):
            return flat
        other = dict(other)
        if "allOf" in other and "allOf" in flat:
            flat["allOf"] = [*flat["allOf"], *other.pop("allOf")]
        elif "allOf" in other:
            flat["allOf"] = other.pop("allOf")
        if "$ref" in other and "$ref" in flat:
            flat.setdefault("allOf", []).append({"$ref": other.pop("$ref")})
        out, lost = merged(flat, other)
        if lost:
            self.notes.add("allOf loosened")
        return out

    def _object_at_top(self, top: dict[str, Any]) -> dict[str, Any]:
        """Arguments and answers are objects; alternatives of objects become one object with all their properties."""
        if _plain_root(top):
            return top
        combined = {key for key in ("$ref", "allOf") if key in top} or any(key in top for key in ("anyOf", "oneOf"))
        if combined:
            top, _ = self._all_flat(top)
        for key in ("anyOf", "oneOf"):
            if isinstance(branches := top.get(key), list):
                top.pop(key)
                top = self._united(top, [self._all_flat(b)[0] for b in branches if isinstance(b, Mapping)])
        for key in ("not", "enum", "const"):
            if key in top:
                top.pop(key)
                self.notes.add(f"{key} dropped")
        kinds = listed(top.get("type", "object"))
        if "object" in kinds:
            top["type"] = "object"
            top.setdefault("properties", {})
        else:
            self.notes.add("the top is no object")
        return top

    def _all_flat(self, schema: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        flat = dict(schema)
        within: tuple[str, ...] = ()
        for _ in range(MAX_DEPTH):
            if "$ref" in flat:
                flat, within = self._inlined(flat, within)
            elif "allOf" in flat:
                flat = self._conjoined(flat)
            else:
                break
        return flat, within

    def _united(self, top: dict[str, Any], branches: list[dict[str, Any]]) -> dict[str, Any]:
        self.notes.add("alternatives at the top merged")
        properties: dict[str, list[Any]] = {}
        for branch in branches:
            for name, inner in (branch.get("properties") or {}).items():
                if inner not in properties.setdefault(name, []):
                    properties[name].append(inner)
        needed = [set(branch.get("required") or ()) for branch in branches]
        united = {
            "type": "object",
            "properties": {name: one[0] if len(one) == 1 else {"anyOf": one} for name, one in properties.items()},
            "required": sorted(set.intersection(*needed)) if needed else [],
        }
        return self._joined(top, united)

    def _bare_top(self, out: dict[str, Any]) -> None:
        for key in [key for key in out if key not in (self.profile.root_keywords or ())]:
            value = out.pop(key)
            if key not in ("description", "title") and not (key == "additionalProperties" and value is True):
                self.notes.add(f"{key} at the top dropped")


def _stump(schema: Any) -> dict[str, Any]:
    """What is left of a schema that is not followed further: its type, if it has a plain one."""
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    return {"type": kind} if isinstance(kind, str) else {}
