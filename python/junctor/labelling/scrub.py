"""Takes out of a text what identifies people, and credentials, before it is written.

presidio finds it (`pip install 'junctor[pii]'`): addresses, numbers of cards, accounts, phones and documents by pattern
and checksum. Names of people and places need a language model of one's own choice, because none is right for every
traffic: hand an `AnalyzerEngine` that has one to `presidio(engine=...)`. Without it names stay in; and what was taken
out is no proof that nothing else was there.

A find becomes its kind in angle brackets, as in `<EMAIL_ADDRESS>`; of overlapping ones the surest, then the longest.
Of a text that is JSON the values are scrubbed one by one, with their names as context, and it stays JSON: an escape
(`\\u0040` for @) hides an address from patterns, and a card's number that became text without quotes would be no JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from junctor.labelling.secrets import secrets

Scrub = Callable[[str], str]
"""From a text to the same without what identifies people."""

LEAST_SURE: Final = 0.35
"""presidio's own mark of what is only a pattern: phone numbers score 0.4."""

MAX_CHARS: Final = 200_000
"""Of a text at once; longer ones are taken in parts, since patterns cost time by length."""

OVERLAP: Final = 200
"""Characters that parts share, so that nothing is cut in two."""


def presidio(engine: Any = None, *, language: str = "en", least_sure: float = LEAST_SURE) -> Scrub:
    """A scrubber on presidio. `engine` is an `AnalyzerEngine`; the default has patterns alone and asks nothing online.

    Raises `ModuleNotFoundError` with a hint where the package is missing.
    """
    analyzer = engine if engine is not None else _patterns(language)

    def scrub(text: str) -> str:
        text = unicode(text)
        finds = secrets(text)
        for start in range(0, max(len(text), 1), MAX_CHARS):
            part = text[start : start + MAX_CHARS + OVERLAP]
            for found in analyzer.analyze(text=part, language=language):
                if found.score >= least_sure:
                    finds.append((start + found.start, start + found.end, found.score, found.entity_type))
        return replaced(text, finds)

    return lambda text: in_json(text, scrub)


def unicode(text: str) -> str:
    """The text with `?` for half a surrogate pair, which a provider's JSON may hold and no file can."""
    return text.encode("utf-8", "replace").decode()


def in_json(text: str, scrub: Scrub) -> str:
    """The text scrubbed: if it is a JSON object or array, value by value, and it stays one."""
    if not text.lstrip().startswith(("{", "[")):
        return scrub(text)
    try:
        value = json.loads(text)
        clean = _clean(value, "", scrub)
    except (ValueError, RecursionError):
        return scrub(text)
    return text if clean == value else json.dumps(clean, ensure_ascii=False)


def _clean(value: Any, name: str, scrub: Scrub) -> Any:
    if isinstance(value, dict):
        return {scrub(key): _clean(of, key, scrub) for key, of in value.items()}
    if isinstance(value, list):
        return [_clean(of, name, scrub) for of in value]
    if value is None or isinstance(value, bool):
        return value
    said, context = str(value), f"{name}: " if name else ""
    clean = scrub(context + said)
    clean = clean.removeprefix(context) if clean.startswith(context) else scrub(said)
    return value if clean == said else clean


def replaced(text: str, finds: list[tuple[int, int, float, str]]) -> str:
    """The text with each find (start, end, how sure, kind) replaced by its kind."""
    kept: list[tuple[int, int, str]] = []
    for start, end, _, kind in sorted(finds, key=lambda find: (-find[2], find[0] - find[1], find[0])):
        if all(end <= other[0] or other[1] <= start for other in kept):
            kept.append((start, end, kind))
    for start, end, kind in sorted(kept, reverse=True):
        text = f"{text[:start]}<{kind}>{text[end:]}"
    return text


def _patterns(language: str) -> Any:
    """presidio with its patterns and a tokenizer without a model."""
    try:
        analyzer, nlp, spacy, domains = map(
            import_module, ("presidio_analyzer", "presidio_analyzer.nlp_engine", "spacy", "tldextract")
        )
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"scrubbing needs the package {error.name}, which is not installed; install it with "
            "`pip install 'junctor[pii]'`",
            name=error.name,
        ) from None
    # It looks for the list of public suffixes online at the first address it sees, unless it is told not to.
    domains.tldextract.TLD_EXTRACTOR = domains.TLDExtract(suffix_list_urls=())
    tokens = nlp.SpacyNlpEngine(models=[{"lang_code": language, "model_name": "blank"}])
    tokens.nlp = {language: spacy.blank(language)}
    registry = analyzer.RecognizerRegistry(supported_languages=[language])
    registry.load_predefined_recognizers(languages=[language])
    registry.remove_recognizer("SpacyRecognizer")
    return analyzer.AnalyzerEngine(registry=registry, nlp_engine=tokens, supported_languages=[language])
