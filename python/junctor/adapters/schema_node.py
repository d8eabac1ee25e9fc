"""One schema of a larger one, keyword by keyword, into what a profile takes: the leaves of `schema.fit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from junctor.adapters.profiles import SchemaProfile, words
from junctor.adapters.schema_merge import listed, merged

MAX_SPREAD: Final = 16  # alternatives that common keywords are copied into; more are rare and would grow the schema
MAX_TOLD_CHARS: Final = 80  # of one keyword's value in a description
MAX_NOTES: Final = 24

_SILENT: Final = words(
    "$schema $id $comment $anchor $vocabulary title examples example deprecated readOnly writeOnly description "
    "contentMediaType contentEncoding contentSchema definitions $defs additionalItems"
)
_APPLIES: Final[dict[str, frozenset[str]]] = {
    "object": words("properties required additionalProperties patternProperties minProperties maxProperties"),
    "array": words("items prefixItems minItems maxItems uniqueItems"),
    "string": words("pattern format minLength maxLength"),
    "number": words("minimum maximum exclusiveMinimum exclusiveMaximum multipleOf"),
}
_SCALARS: Final = ("string", "number", "boolean", "null")
_NESTED: Final = (Mapping, list)
_ABSENT: Final = object()


class Notes:
    """What was changed: each kind once, in the order in which it happened, bounded."""

    def __init__(self) -> None:
        self.found: dict[str, None] = {}

    def add(self, note: str) -> None:
        """Remember this note."""
        if len(self.found) < MAX_NOTES:
            self.found.setdefault(note)


class Node:
    """One flat schema (no reference, no foreign `allOf`) while it is rewritten."""

    def __init__(self, words: dict[str, Any], profile: SchemaProfile, notes: Notes) -> None:
        self.words = words
        self.profile = profile
        self.notes = notes
        self.told: list[str] = []
        self._tuples()
        self._alternatives()
        self._constants()
        self._drop()

    def _may(self, keyword: str) -> bool:
        return self.profile.keywords is None or keyword in self.profile.keywords

    def _tuples(self) -> None:
        """Lists of places: the older form is read as the newer one, and both go where neither is taken."""
        words = self.words
        if isinstance(words.get("items"), list):
            words["prefixItems"] = words.pop("items")
            if "additionalItems" in words:
                words["items"] = words.pop("additionalItems")
        if "prefixItems" in words and not self._may("prefixItems"):
            words.pop("prefixItems")
            words.pop("items", None)
            self.notes.add("prefixItems dropped")

    def _alternatives(self) -> None:
        words = self.words
        if "oneOf" not in words or self._may("oneOf"):
            return
        branches = words.pop("oneOf")
        if "anyOf" in words:
            self.notes.add("oneOf dropped")
        else:
            words["anyOf"] = branches
            self.notes.add("oneOf taken as anyOf")

    def _constants(self) -> None:
        words = self.words
        if "const" in words and not self._may("const"):
            words["enum"] = [words.pop("const")]
        values = words.get("enum")
        if not isinstance(values, list):
            return
        kinds = {"scalars": (str, int, float, bool, type(None)), "strings": (str,)}.get(self.profile.enum)
        if kinds is not None and "null" in listed(words.get("type")):
            kinds = (*kinds, type(None))
        if kinds is None or all(isinstance(value, kinds) for value in values):
            return
        words.pop("enum")
        words.setdefault("type", _types_of(values))
        self.notes.add("enum dropped")
        self._tell("one of", values)

    def _drop(self) -> None:
        """Take out what the dialect has no word for; the description says it instead."""
        words, profile = self.words, self.profile
        if "patternProperties" in words and not self._may("patternProperties"):
            words.pop("additionalProperties", None)  # it spoke of the names that no pattern matched
        if profile.formats is not None and "format" in words and words["format"] not in profile.formats:
            self._lose("format")
        if profile.least_items is not None and words.get("minItems", 0) not in range(profile.least_items + 1):
            self._lose("minItems")
        for key in [key for key in words if not self._may(key)]:
            if key in _SILENT or key.startswith("x-"):
                words.pop(key)
            else:
                self._lose(key)

    def _lose(self, key: str) -> None:
        value = self.words.pop(key)
        if key == "additionalProperties" and value is True:
            return
        self.notes.add(f"{key} dropped" if key.isidentifier() or key[:1] == "$" else "unknown keyword dropped")
        self._tell(key, value)

    def _tell(self, key: str, value: Any) -> None:
        if isinstance(value, Mapping) or (
            isinstance(value, list) and any(isinstance(x, Mapping | list) for x in value)
        ):
            return
        text = msgspec.json.encode(value).decode()
        if len(text) <= MAX_TOLD_CHARS:
            self.told.append(f"{key}: {text}")

    def spread(self) -> bool:
        """Common keywords into every alternative, where a dialect wants alternatives to stand alone."""
        words, branches = self.words, self.words.get("anyOf")
        if not self.profile.closed or not isinstance(branches, list):
            return False
        common = {key: value for key, value in words.items() if key not in ("anyOf", "description", "title")}
        if not common:
            return False
        if len(branches) > MAX_SPREAD or any("anyOf" in b or "oneOf" in b for b in branches if isinstance(b, Mapping)):
            words.pop("anyOf")
            self.notes.add("anyOf dropped")
            return False
        for key in common:
            words.pop(key)
        words["anyOf"] = [self._beside(common, branch) for branch in branches]
        return True

    def _beside(self, common: dict[str, Any], branch: Any) -> Any:
        if not isinstance(branch, Mapping):
            return common if branch is True else branch
        if "$ref" in branch or "allOf" in branch:
            return {"allOf": [common, branch]}
        out, lost = merged(dict(branch), common)
        if lost:
            self.notes.add("anyOf loosened")
        return out

    def inside(self, fit: Callable[[Any], Any]) -> None:
        """Fit every schema that this one holds."""
        words = self.words
        for key in ("properties", "patternProperties"):
            if isinstance(inner := words.get(key), Mapping):
                words[key] = {name: fit(value) for name, value in inner.items()}
        for key in ("anyOf", "prefixItems", "oneOf"):
            if isinstance(branches := words.get(key), list):
                words[key] = [fit(branch) for branch in branches]
        for key in ("items", "additionalProperties"):
            if isinstance(words.get(key), Mapping) or (key == "items" and isinstance(words.get(key), bool)):
                words[key] = fit(words[key])

    def finished(self) -> dict[str, Any]:
        """The schema in the dialect's words."""
        if self.profile.typed:
            self._type()
        if not self.profile.type_lists:
            self._single_type()
        if self.profile.closed:
            self._close()
        if self.told:
            said = self.words.get("description")
            told = "; ".join(self.told)
            self.words["description"] = f"{said} ({told})" if isinstance(said, str) and said else told
        return self.words

    def _type(self) -> None:
        words = self.words
        if "type" not in words and "anyOf" not in words and "$ref" not in words:
            if "enum" in words or "const" in words:
                words["type"] = _types_of(words.get("enum", [words.get("const")]))
            else:
                kind = next((kind for kind, own in _APPLIES.items() if own & words.keys()), None)
                self.notes.add("untyped values narrowed" if kind is None else "types filled in")
                words["type"] = list(_SCALARS) if kind is None else kind
        if "array" in listed(words.get("type")) and "items" not in words and "prefixItems" not in words:
            words["items"] = Node({}, self.profile, self.notes).finished()

    def _single_type(self) -> None:
        """`nullable` and alternatives for what elsewhere is a list of types."""
        words = self.words
        branches = words.get("anyOf")
        if isinstance(branches, list):
            plain = [branch for branch in branches if branch != {"type": "null"}]
            if len(plain) < len(branches) and plain:
                words["nullable"] = True
                words["anyOf"] = plain
        kinds = words.get("type")
        if not isinstance(kinds, list):
            return
        if "null" in kinds and len(kinds) > 1:
            words["nullable"] = True
            if isinstance(values := words.get("enum"), list):
                words["enum"] = [value for value in values if value is not None]
        plain = [kind for kind in kinds if kind != "null"] or ["null"]
        if len(plain) == 1:
            words["type"] = plain[0]
        elif "anyOf" in words:
            words.pop("type")
            self.notes.add("type dropped")
        else:
            self._one_branch_each(plain)

    def _one_branch_each(self, kinds: list[str]) -> None:
        words = self.words
        words.pop("type")
        branches = []
        for kind in kinds:
            own = _APPLIES.get("number" if kind == "integer" else kind, frozenset())
            branches.append({"type": kind, **{key: words[key] for key in words if key in own}})
        if "enum" in words:  # strings only, so the other kinds never come
            branches = [{"type": "string", "enum": words["enum"]}]
        for key in [key for key in words if key not in ("description", "nullable", "title")]:
            words.pop(key)
        words["anyOf"] = branches

    def _close(self) -> None:
        words = self.words
        if "object" not in listed(words.get("type")) and "properties" not in words:
            return
        before = words.get("additionalProperties", _ABSENT)
        words["additionalProperties"] = False
        if before is not False:
            self.notes.add("objects closed" if before is _ABSENT else "additionalProperties dropped")
        properties = words.setdefault("properties", {})
        needed = words.get("required")
        required = [name for name in needed if name in properties] if isinstance(needed, list) else []
        if isinstance(needed, list) and len(required) < len(needed):
            self.notes.add("required name without property dropped")
        if self.profile.all_required and isinstance(properties, dict):
            for name in properties.keys() - set(required):
                properties[name] = _nullable(properties[name])
                self.notes.add("optional properties made required, may be null")
            required = list(properties)
        if required or self.profile.all_required or needed is not None:
            words["required"] = required


def _nullable(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    out = dict(schema)
    if isinstance(branches := out.get("anyOf"), list) and len(out.keys() - {"description", "title"}) == 1:
        out["anyOf"] = branches if {"type": "null"} in branches else [*branches, {"type": "null"}]
    elif "type" in out and "anyOf" not in out and "const" not in out:
        kinds = listed(out["type"])
        out["type"] = kinds if "null" in kinds else [*kinds, "null"]
        if isinstance(values := out.get("enum"), list) and not any(value is None for value in values):
            out["enum"] = [*values, None]
    else:
        return {"anyOf": [out, {"type": "null"}]}
    return out


def _types_of(values: list[Any]) -> str | list[str]:
    kinds = list(dict.fromkeys(_type_of(value) for value in values))
    return kinds[0] if len(kinds) == 1 else kinds


def _type_of(value: Any) -> str:
    for kind, classes in (("boolean", bool), ("string", str), ("number", int | float), ("array", list)):
        if isinstance(value, classes):
            return kind
    return "null" if value is None else "object"
