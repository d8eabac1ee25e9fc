"""Asking a group of a fleet to judge pairs of answers: so many at once, each with a deadline, what was said kept.

Failures are the usual thing in an hour of questions. One is counted and asked again by the next run; many in a row say
that the judge is gone, and the run ends before it has waited for the deadline of every question that is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from junctor.cli.ending import USAGE, CommandError
from junctor.cli.files import readable, unusable
from junctor.cli.text import plural
from junctor.exceptions import ConfigError, InvalidRequest, JunctorError
from junctor.labelling.judge import Places, Question, Verdict, put, verdict
from junctor.labelling.verdicts import Said, Verdicts, digest

if TYPE_CHECKING:
    from junctor.client import Client

IN_A_ROW: Final = 10
"""Failures that end a run: a full minute's limit is waited for within a deadline, an outage is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Of the questions: how many at once, and of each the seconds and the tokens of its answer."""

    parallel: int
    deadline_s: float
    max_tokens: int


@dataclass(slots=True)
class Hearing:
    """One run of questions to the group `judge`, and what came of it. `known` ones an earlier run had asked."""

    judge: str
    bounds: Bounds
    verdicts: Verdicts
    tell: Callable[[str], None]
    said: dict[Places, Verdict | None] = field(default_factory=dict)
    models: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    known: int = 0
    asked: int = 0
    spent_usd: float = 0.0
    _in_a_row: int = 0

    async def hear(self, fleet: str, pairs: Sequence[Question]) -> None:
        """Asks what is not known yet. Raises `CommandError` if the fleet or the judge is of no use."""
        questions = [question for pair in pairs for question in (pair, pair.turned)]
        left = [question for question in questions if not self._knows(question)]
        if not left:
            return
        async with _client(fleet) as client:
            total = len(left)

            async def ask(question: Question) -> None:
                self.tell(f"{self.asked:,} of {total:,} questions, ${self.spent_usd:.4f}")
                await self._ask(client, question)

            await put(left, ask, parallel=self.bounds.parallel)

    def _knows(self, question: Question) -> bool:
        """Whether this was answered before, and takes over what was said."""
        before = self.verdicts.said.get(digest(self.judge, question.text()))
        if before is not None:
            self.known += 1
            self._hear(question, before)
        return before is not None

    def _hear(self, question: Question, said: Said) -> None:
        self.said[question.places] = said.verdict
        self.models[said.model] += 1

    async def _ask(self, client: Client, question: Question) -> None:
        """One question; what it came to is on disk before the next one begins."""
        text, bounds = question.text(), self.bounds
        said = Said(question=digest(self.judge, text), first=question.first.key, second=question.second.key)
        receipt = None
        try:
            reply = await client.chat(
                self.judge, [{"role": "user", "content": text}],
                max_tokens=bounds.max_tokens, deadline_s=bounds.deadline_s, max_wait_s=bounds.deadline_s,
            )  # fmt: skip
            receipt = reply.receipt
            said = replace(said, verdict=verdict(reply.text), model=reply.model)
        except InvalidRequest as error:
            raise CommandError(f"nobody can be asked: {error}", status=USAGE) from None
        except JunctorError as error:
            receipt = error.receipt
            said = replace(said, failure=type(error).__name__)
        said = replace(said, cost_usd=0.0 if receipt is None else receipt.cost_usd)
        self.verdicts.add(said)
        self.asked, self.spent_usd = self.asked + 1, self.spent_usd + said.cost_usd
        if not said.failure:
            self._in_a_row = 0
            self._hear(question, said)
            return
        self.failures[said.failure] += 1
        self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW:
            raise CommandError(
                f"{self.judge!r} failed {IN_A_ROW} times in a row, at last with {said.failure}; {self.verdicts.path} "
                f"keeps {plural(len(self.said), 'answer')}: mend it and run this again"
            )


def _client(fleet: str) -> Client:
    from junctor.client import Client

    try:
        return Client.open(readable(fleet))
    except ConfigError as error:
        raise unusable(fleet, error) from None
