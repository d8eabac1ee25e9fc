"""Problems of a fleet file: found all together, one line each, and none of them shows a secret.

A file that is refused for one mistake at a time costs its author one round per mistake, so every stage appends to one
`Problems` and the error is raised once at the end. A line names file, line number (where the format tells), path,
value, what is allowed, the nearest valid name and one hint.

A value is shown only if it cannot be a secret: what stands under a key that holds secrets is hidden always, and so is
whatever looks like a key of a known provider or like random text. The same goes for names, since a slip of the
indentation turns a value into a name. The rejected alternative, cutting values to a prefix, still leaks a prefix.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from junctor.exceptions import ConfigError

Step = str | int
Path = tuple[Step, ...]
Severity = Literal["error", "warning"]

HIDDEN: Final = "<hidden>"
SECRET_KEYS: Final = frozenset({"key", "keys", "headers", "redis", "base_url"})
MAX_SHOWN: Final = 60  # characters of a value in a message: enough to find it, too few to flood a terminal
MAX_LOOKED_AT: Final = 2_000  # characters searched for secrets; longer texts are hidden unsearched
MAX_PROBLEMS: Final = 100  # a file with more mistakes than this is not a fleet file
_KNOWN_PREFIX: Final = re.compile(
    r"(?i)\b(sk|pk|rk|gsk|xai|ghp|gho|glpat|xox[a-z]|key|hf|r8|nvapi|secret|token|bearer)[-_ ]\S{6,}|(AIza|AKIA)\S{6,}"
)
_RANDOM_WORD: Final = re.compile(r"[A-Za-z0-9+=_-]{24,}")
_USER_IN_URL: Final = re.compile(r"://[^/\s]*@")


def looks_secret(text: str) -> bool:
    """Whether the text may be a secret: a known key prefix, a password in a URL, or a long run of random letters."""
    if len(text) > MAX_LOOKED_AT:
        return True
    if _KNOWN_PREFIX.search(text) or _USER_IN_URL.search(text):
        return True
    return any(_is_random(word) for word in _RANDOM_WORD.findall(text))


def _is_random(word: str) -> bool:
    """Long words with several digits in no reading order: `claude-haiku-4-5-20251001` is one date, `a8f3…` is not."""
    digits_or_letters = re.findall(r"[0-9]+|[A-Za-z]+", word)
    return len(digits_or_letters) >= 8 or max(map(len, digits_or_letters), default=0) >= 24


def scrub(text: str) -> str:
    """The text with every word hidden that looks like a secret."""
    return " ".join(HIDDEN if looks_secret(word) else word for word in text.split(" ")) if looks_secret(text) else text


def show(value: object) -> str:
    """The value as a message may show it: short, on one line, never a secret, never a whole section."""
    if isinstance(value, str) and len(value) > MAX_LOOKED_AT:
        return f"a text of {len(value):,} characters"
    if isinstance(value, str):
        return HIDDEN if looks_secret(value) else repr(value if len(value) <= MAX_SHOWN else value[:MAX_SHOWN] + "…")
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value) if abs(value) < 10**MAX_SHOWN else "a number of more than 60 digits"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    return f"a {type(value).__name__}"


def show_at(path: Path, value: object) -> str:
    """Like `show`, and hidden whenever the path says that secrets stand there."""
    return HIDDEN if isinstance(value, str) and any(step in SECRET_KEYS for step in path) else show(value)


def show_path(path: Path) -> str:
    """`deployments.opus-a.pools[0]`; empty for the file as a whole."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{_show_name(step)}"
    return text.removeprefix(".")


def _show_name(name: str) -> str:
    if looks_secret(name):
        return HIDDEN
    short = name if len(name) <= MAX_SHOWN else name[:MAX_SHOWN] + "…"
    return short if short.isprintable() else repr(short)


def nearest(name: object, names: Iterable[str]) -> str | None:
    """The known name that the given one was probably meant to be, or None."""
    if not isinstance(name, str) or len(name) > MAX_SHOWN:
        return None
    known = {known.lower(): known for known in names}
    import difflib  # only a mistake needs it

    found = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return known[found[0]] if found else None


def did_you_mean(name: object, names: Iterable[str], *, what: str) -> str:
    """`did you mean 'haiku'?`, or the known names if none is near, or that there are none."""
    known = list(names)
    if (near := nearest(name, known)) is not None:
        return f"did you mean {near!r}?"
    if not known:
        return f"there are no {what}"
    listed = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
    return f"known {what}: {listed}"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong (`error`) or doubtful (`warning`) in a fleet file.

    `unreadable` says that this is no document of the kind at all, so nothing in it was looked at.
    """

    severity: Severity
    source: str
    path: str
    message: str
    line: int | None = None
    unreadable: bool = False

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class Problems:
    """Collects problems of one source. `lines` maps a path to its line number where the format tells positions."""

    __slots__ = ("found", "lines", "source")

    def __init__(self, source: str, lines: Mapping[Path, int] | None = None) -> None:
        self.source = source
        self.lines = lines or {}
        self.found: list[Problem] = []

    def error(self, path: Path, message: str) -> None:
        """Adds an error; beyond `MAX_PROBLEMS` further ones are dropped, since nobody reads them."""
        self._add("error", path, message)

    def warning(self, path: Path, message: str) -> None:
        """Adds a warning."""
        self._add("warning", path, message)

    def unreadable(self, message: str) -> None:
        """The file is no document at all: this is the only thing to say about it, whatever was found on the way."""
        self.found = [Problem(severity="error", source=self.source, path="", message=message, unreadable=True)]

    def raise_errors(self) -> None:
        """Raises one ConfigError that holds every error found so far, if there is any."""
        lines = tuple(str(problem) for problem in self.found if problem.severity == "error")
        if lines:
            raise ConfigError(_headline(self.source, lines), problems=lines)

    def _add(self, severity: Severity, path: Path, message: str) -> None:
        if len(self.found) < MAX_PROBLEMS:
            self.found.append(
                Problem(
                    severity=severity,
                    source=self.source,
                    path=show_path(path),
                    message=message,
                    line=self._line(path),
                )
            )

    def _line(self, path: Path) -> int | None:
        """The line of the path itself, else of the nearest section around it."""
        for length in range(len(path), 0, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return line
        return None


def _headline(source: str, lines: tuple[str, ...]) -> str:
    if len(lines) == 1:
        return lines[0]
    more = f"{len(lines)} problems" if len(lines) < MAX_PROBLEMS else f"{MAX_PROBLEMS} or more problems"
    return f"{source}: {more}\n" + "\n".join(f"  {line}" for line in lines)
