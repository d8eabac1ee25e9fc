"""What is taken out of texts: credentials and JSON by our own code; people by presidio, where it is installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from junctor.labelling import Sample, Scrub, presidio, read_records
from junctor.labelling.scrub import in_json, replaced, unicode
from junctor.labelling.secrets import secrets
from junctor.reply import Reply, ToolCall, Usage


def without_secrets(text: str) -> str:
    return replaced(text, secrets(text))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("key sk-proj-abcdefghijklmnopqrstuvwx12, go", "key <SECRET>, go"),
        ("sk-ant-" + "a1" * 12, "<SECRET>"),
        ("AKIAIOSFODNN7EXAMPLE and ghp_16C7e42F292c6912E7710c838347Ae178B4a", "<SECRET> and <SECRET>"),
        ("Authorization: Bearer abcdefghijklmnop==", "Authorization: Bearer <SECRET>"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVm", "<SECRET>"),
        ("a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b", "a <SECRET> b"),
        ("-----BEGIN PRIVATE KEY-----\ncut off", "<SECRET>"),
        ("Password: hunter2; \"password\": 'abcd'", "Password: <SECRET>; \"password\": '<SECRET>'"),
        ("a task-list, sk-short, the password is long, eyJust a word", None),
        ("x = d[sk_index_of_the_list]", None),
        ("", None),
    ],
)
def test_credentials_are_known_by_their_beginnings(text: str, clean: str | None) -> None:
    assert without_secrets(text) == (text if clean is None else clean)


def stars(text: str) -> str:
    """A scrubber that looks for one word, one number, and one number in the context of its name."""
    return text.replace("a@b.org", "*").replace("4111", "*").replace("ssn: 12", "ssn: *")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('{"to": "a\\u0040b.org", "of": [1, {"a@b.org": 4111}]}', {"to": "*", "of": [1, {"*": "*"}]}),
        ('{"ssn": 12, "n": 12, "ok": true, "no": null}', {"ssn": "*", "n": 12, "ok": True, "no": None}),
        ('["é", "a@b.org"]', ["é", "*"]),
    ],
)
def test_json_is_scrubbed_value_by_value_and_stays_json(text: str, clean: object) -> None:
    """Escapes hide nothing, numbers become text only where they are taken out, names are context."""
    assert json.loads(in_json(text, stars)) == clean


@pytest.mark.parametrize("text", ['{ "n":1.50 }', "[1,  2]", "{not json", "[" * 100_000, "", "  plain"])
def test_what_is_clean_or_no_json_stays_as_it_was(text: str) -> None:
    assert in_json(text, stars) == text


def test_a_sample_keeps_calls_log_probabilities_and_half_a_surrogate(tmp_path: Path) -> None:
    """Arguments are scrubbed as the JSON that they are."""
    reply = Reply(
        text="\ud800 a@b.org", message={}, model="m", finish_reason="tool_calls", usage=Usage(),
        tool_calls=(ToolCall("1", "mail", '{"to": "a\\u0040b.org"}'),),
        logprobs={"content": [{"token": "x", "logprob": -0.5}]},
    )  # fmt: skip
    path = tmp_path / "kept.jsonl"
    Sample(path, share=1, scrub=lambda text: in_json(unicode(text), stars)).keep("\udfff a@b.org", reply, model="m")
    (kept,) = read_records(path)
    assert (kept.prompt, kept.answer, kept.token_logprobs) == ("? *", '? *\nmail({"to": "*"})', (-0.5,))


@pytest.fixture(scope="module")
def scrub() -> Scrub:
    """Real presidio, with its patterns."""
    if importlib.util.find_spec("presidio_analyzer") is None:
        pytest.skip("presidio is not installed (pip install 'junctor[pii]'): 400 MB that usual test runs do without")
    return presidio()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (
            "Mail jane.doe@example.org, call +1 212 555 0187, pay 4111 1111 1111 1111 or DE89 3704 0044 0532 0130 00.",
            "Mail <EMAIL_ADDRESS>, call <PHONE_NUMBER>, pay <CREDIT_CARD> or <IBAN_CODE>.",
        ),
        ("2 + 2 = 4", "2 + 2 = 4"),
        ("😀 jane@example.org 👩‍👩‍👧 jürgen@müller.de é", "😀 <EMAIL_ADDRESS> 👩‍👩‍👧 <EMAIL_ADDRESS> é"),
        ("\ud800 jane@example.org", "? <EMAIL_ADDRESS>"),
        ("ask 192.168.0.1 with AKIAIOSFODNN7EXAMPLE", "ask <IP_ADDRESS> with <SECRET>"),
        (
            '{"to": "jane\\u0040example.org", "card": 4111111111111111, "n": 3}',
            '{"to": "<EMAIL_ADDRESS>", "card": "<CREDIT_CARD>", "n": 3}',
        ),
        ("", ""),
    ],
)
def test_presidio_takes_out_what_has_a_pattern(scrub: Scrub, text: str, clean: str) -> None:
    """Without asking anything online."""
    assert scrub(text) == clean


def test_presidio_takes_long_texts_in_parts(scrub: Scrub) -> None:
    assert "jane" not in scrub("x " * 99_995 + "Mail jane.doe@example.org, please")


def test_presidio_alone_leaves_names_in(scrub: Scrub) -> None:
    """They need an engine with a language model: said in the guide, and seen here if it ever changes."""
    assert scrub("My name is Jane Doe") == "My name is Jane Doe"
