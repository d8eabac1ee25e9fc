"""A fake that is asked for nonsense says so at once, since a test that it misleads passes for the wrong reason."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from junctor.testing import Delivery, Key, Latency, Limits, Server, SimulatedProvider, faults
from junctor.testing.scripted import fail, stream

DIALECTS = "openai, openai-responses, anthropic, gemini, bedrock, mistral"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Key("k", dialect="opnai"),
            f"key 'k': dialect is 'opnai', allowed are {DIALECTS}",
        ),
        (lambda: Limits(rpm=0), "rpm is 0, allowed is 1 or more; faults.throttle() admits nothing at all"),
        (lambda: Limits(rpm=5, burst_s=0), "burst_s is 0, allowed is above 0"),
        (lambda: Latency(first_token_s=-1), "first_token_s is -1, allowed is 0 or more"),
        (lambda: faults.server_error(2), "fault server_error: rate is 2, allowed is 0 to 1"),
        (lambda: faults.server_error(status=200), "fault server_error: status is 200, allowed is 400 to 599"),
        (
            lambda: faults.cut(how="off"),  # type: ignore[arg-type]  # what a user may write
            "fault cut: how is 'off', allowed are close, reset, clean",
        ),
        (lambda: Delivery(cut_at=-1), "cut_at is -1, allowed is 0 or more bytes"),
        (
            lambda: Delivery(cut_at=5, how="off"),  # type: ignore[arg-type]  # what a user may write
            "how is 'off', allowed are close, reset",
        ),
        (lambda: fail(200), "status is 200, a failure has 400 to 599; use ok() or raw()"),
        (
            lambda: fail(500, kind="odd"),  # type: ignore[arg-type]  # what a user may write
            "kind is 'odd', allowed are ",
        ),
        (lambda: stream("a", error_after=2), "error_after is 2, allowed is 0 to 1, the pieces"),
        (lambda: stream("a", cut_after=0, stall_after=0), "cut_after and stall_after are both given; a stream breaks"),
    ],
)
def test_a_wrong_value_names_itself_and_what_is_allowed(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is what is tested
        make()
    assert str(caught.value).startswith(said)


def test_counts_of_a_key_that_nobody_has_are_not_zero() -> None:
    provider = SimulatedProvider([Key("sk-a"), Key("sk-b", name="spare")])
    with pytest.raises(ValueError, match="no key matches key='sk-c', region=None, dialect=None; there are sk-a, spare"):
        provider.counts(key="sk-c")
    assert provider.counts(key="spare").requests == 0


def test_the_same_holds_in_another_process() -> None:
    with SimulatedProvider.in_process([Key("sk-a")]) as provider:
        with pytest.raises(ValueError, match="no key matches key='sk-c'"):
            provider.counts(key="sk-c")
        with pytest.raises(ValueError, match="dialect is 'opnai', allowed are"):
            provider.base_url("opnai")
        provider.clear(key="sk-c")  # as there: nothing to switch off


def test_there_is_no_address_before_there_is_a_port() -> None:
    with pytest.raises(RuntimeError, match="the server has no port yet; ask for its address inside `with`"):
        _ = Server(lambda _request, _answer: None).url
    with pytest.raises(RuntimeError, match="has no port yet"):
        SimulatedProvider([Key("sk-a")]).base_url("openai")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("bad", "argument --key: 'bad' is not DIALECT:SECRET, such as openai:sk-test"),
        (
            "opnai:sk",
            f"argument --key: key 'sk': dialect is 'opnai', allowed are {DIALECTS}",
        ),
    ],
)
def test_the_command_answers_a_wrong_key_in_one_line(key: str, said: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "junctor.testing", "--key", key], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
