"""What is wrong with a cascade or classifier in a fleet file is said when it is read: place, value, range, hint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from junctor import config
from junctor.cascade.calibration import Calibration, load
from junctor.cascade.probe import Probe, Weight
from junctor.config import describe
from junctor.config.cascades import CascadeSpec, Signal
from junctor.config.classifiers import ClassifierSpec
from junctor.exceptions import ConfigError
from tests.cascade.scene import CAREFUL, fleet

NAMES = ["small", "middle", "strong"]
INTENT = {"ask": "small", "labels": ["code", "talk"], "fallback": "talk"}
PROBE = Probe(bias=0.0, weights=(Weight("spread", 1.0),), model="at-small/m-small")
GOOD = Calibration(
    signal="mean_logprob", accept=-0.5, reject=-2.0, models=(("at-small/m-small",), ("at-strong/m-strong",))
)


def problems(**sections: Any) -> list[str]:
    """What loading says, without the name of the source."""
    try:
        config.from_mapping(fleet(NAMES, **sections))
    except ConfigError as error:
        return [problem.removeprefix("config: ") for problem in error.problems]
    return []


def cascade(**changes: Any) -> list[str]:
    written = {key: value for key, value in {**CAREFUL, **changes}.items() if value is not None}
    return problems(cascades={"careful": written})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"steps": ["smal", "strong"]},
            "cascades.careful.steps[0]: there is no group, model or deployment 'smal'; did you mean 'small'?",
        ),
        (
            {"steps": ["small", "careful"]},
            "cascades.careful.steps[1]: 'careful' is a cascade; name the groups of its steps instead",
        ),
        (
            {"steps": ["small", "small-1"]},
            "cascades.careful.steps[1]: 'small-1' brings nobody new; a step must have other deployments",
        ),
        ({"steps": ["small"]}, "cascades.careful.steps: has 1; a cascade has 2 to 4 steps, the cheapest first"),
        (
            {"accept": None, "reject": None},
            "cascades.careful.accept: is missing; give the value of mean_logprob from -1000 to 0 at which an answer is "
            "delivered, or calibration",
        ),
        ({"accept": 0.5}, "cascades.careful.accept: 0.5 is no value of mean_logprob; it lies from -1000 to 0"),
        ({"reject": -0.1}, "cascades.careful.reject: -0.1 is above accept, -0.4; it must be the same or below"),
        (
            {"signal": "margin", "reject": None},
            "cascades.careful.accept: -0.4 is no value of margin; it lies from 0 to 1",
        ),
        (
            {"samples": 3},
            "cascades.careful.samples: does nothing beside signal: mean_logprob; remove it or write "
            "signal: self_consistency",
        ),
        (
            {"by": "strong"},
            "cascades.careful.by: does nothing beside signal: mean_logprob; remove it or write signal: verbal",
        ),
        (
            {"signal": "verbal", "accept": 0.5, "reject": None, "by": "strnog"},
            "cascades.careful.by: there is no group, model or deployment 'strnog'; did you mean 'strong'?",
        ),
        (
            {"signal": "probe", "accept": 0.5, "reject": None},
            "cascades.careful.probe: is missing; name the file that junctor calibrate --probe wrote",
        ),
        (
            {"signal": "probe", "accept": 0.5, "reject": None, "probe": "absent.json"},
            "cascades.careful.probe: 'absent.json' cannot be read (No such file or directory); paths begin at the "
            "fleet file",
        ),
        (
            {"signal": "check", "accept": None, "reject": None},
            "cascades.careful.check: is missing; name one of the checks given to Client(checks={…})",
        ),
        (
            {"check": "mine"},
            "cascades.careful.check: does nothing beside signal: mean_logprob; remove it or write signal: check",
        ),
        (
            {"steps": NAMES, "speculative": True},
            "cascades.careful.speculative: starts two steps together, and there are 3; leave two of them",
        ),
        (
            {"calibration": "absent.json"},
            "cascades.careful.calibration: holds the thresholds; remove accept and reject, or remove it",
        ),
    ],
)
def test_what_is_wrong_with_a_cascade(changes: dict[str, Any], message: str) -> None:
    assert message in cascade(**changes)


def test_a_signal_that_does_not_exist_and_a_key_too_many() -> None:
    (message,) = cascade(signal="mean_logprobs")
    assert message.startswith("cascades.careful.signal: 'mean_logprobs'")
    assert "mean_logprob" in message
    (message,) = cascade(acept=-0.3)
    assert "did you mean 'accept'?" in message


def test_a_cascade_is_a_name_like_others() -> None:
    named = {"small": CAREFUL}
    assert problems(cascades=named) == ["cascades.small: is the name of a deployment or group too; rename one of them"]
    (message,) = problems(cascades={"auto": CAREFUL})
    assert message == "cascades.auto: auto is the word for requests that the rules place; choose another name"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"cascade": "carefull"}, "rules[0].cascade: there is no cascade 'carefull'; did you mean 'careful'?"),
        (
            {"cascade": "careful", "use": "strong"},
            "rules[0].use: the cascade begins with 'small', not 'strong'; remove use",
        ),
        ({"classify": "intnet"}, "rules[0].classify: there is no classifier 'intnet'; did you mean 'intent'?"),
        (
            {"classify": "intent", "use": "small"},
            "rules[0].use: a rule that classifies does nothing else; put it into a rule below, which sees the tag",
        ),
        (
            {},
            "rules[0]: does nothing; give it use, cascade, classify, refuse, max_tokens, effort, max_cost_usd or prune",
        ),
    ],
)
def test_what_is_wrong_with_a_rule(rule: dict[str, Any], message: str) -> None:
    found = problems(cascades={"careful": CAREFUL}, classifiers={"intent": INTENT}, rules=[rule])
    assert found == [message]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"ask": "smol"},
            "classifiers.intent.ask: there is no group, model or deployment 'smol'; did you mean 'small'?",
        ),
        (
            {"labels": ["Code", "code"]},
            "classifiers.intent.labels: 'code' is named twice, capitals apart; once is enough",
        ),
        ({"labels": ["code"]}, "classifiers.intent.labels: has 1; a classifier chooses among 2 to 64 labels"),
    ],
)
def test_what_is_wrong_with_a_classifier(change: dict[str, Any], message: str) -> None:
    assert problems(classifiers={"intent": {**INTENT, **change}}) == [message]


# ---- what check finds ----


def checked(tmp_path: Path, **sections: Any) -> list[str]:
    file = tmp_path / "fleet.yaml"
    file.write_bytes(msgspec.yaml.encode(fleet(NAMES, **sections)))
    return [
        re.sub(r"^.*?fleet\.yaml:\d+: ", "", str(problem))
        for problem in config.check(file)
        if re.search(r": (cascades|classifiers|rules)", str(problem))
    ]


def test_check_warns_of_a_step_that_can_never_be_accepted(tmp_path: Path) -> None:
    assert checked(tmp_path, cascades={"careful": CAREFUL}, able=["strong"]) == [
        "cascades.careful.steps[0]: small-1 gives no log-probabilities, so its answers are always escalated; choose "
        "another signal, or members that give them"
    ]


def test_check_warns_when_the_model_is_another_than_the_thresholds_were_made_for(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_bytes(GOOD.to_json())
    careful = {"steps": ["small", "strong"], "signal": "mean_logprob", "calibration": "c.json"}
    assert checked(tmp_path, cascades={"careful": careful}) == []
    found = config.load(tmp_path / "fleet.yaml").cascades["careful"]
    assert (found.accept, found.reject) == (-0.5, -2.0)
    assert checked(tmp_path, cascades={"careful": {**careful, "steps": ["middle", "strong"]}}) == [
        "cascades.careful.calibration: was made for at-small/m-small, and step 1 is now at-middle/m-middle; calibrate "
        "again"
    ]


def test_another_version_at_the_provider_is_another_model(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_bytes(GOOD.to_json())
    careful = {"steps": ["small", "strong"], "signal": "mean_logprob", "calibration": "c.json"}
    found = checked(tmp_path, cascades={"careful": careful}, limits={"provider_model": "m-2"})
    assert "step 1 is now at-small/m-small (m-2); calibrate again" in found[0]


def test_check_warns_of_a_probe_of_another_model(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(PROBE.to_json())
    careful = {"steps": ["middle", "strong"], "signal": "probe", "probe": "p.json", "accept": 0.5}
    assert checked(tmp_path, cascades={"careful": careful}) == [
        "cascades.careful.probe: was trained on at-small/m-small, not on at-middle/m-middle; train it again"
    ]


def test_check_warns_of_a_classifier_that_nobody_asks(tmp_path: Path) -> None:
    assert checked(tmp_path, classifiers={"intent": INTENT}) == [
        "classifiers.intent: is asked by no rule; write a rule with classify: intent"
    ]


def test_a_rule_below_one_that_classifies_is_reached(tmp_path: Path) -> None:
    rules = [{"classify": "intent"}, {"when": {"tags": {"intent": "code"}}, "use": "strong"}, {"use": "small"}]
    assert checked(tmp_path, classifiers={"intent": INTENT}, rules=rules) == []


# ---- files and hashes ----


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "'c.json' is no calibration of version"),
        (b'{"kind":"junctor-calibration","version":2,"signal":"x","accept":1}', "'c.json' is no calibration"),
        (b'{"kind":"junctor-calibration","version":1,"signal":"x"}', "'c.json' is no calibration of version"),
        (b" " * 70_000, "'c.json' is larger than 65,536 bytes"),
    ],
)  # fmt: skip
def test_a_wrong_calibration_is_a_clear_error(raw: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_bytes(raw)
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(file)


def test_a_calibration_of_another_signal_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_bytes(GOOD.to_json())
    written = fleet(NAMES, cascades={"careful": {"steps": NAMES, "signal": "min_logprob", "calibration": "c.json"}})
    with pytest.raises(ConfigError, match="is for signal: mean_logprob, not min_logprob; calibrate this signal"):
        config.from_mapping(written, folder=tmp_path)


def test_the_hash_changes_with_a_threshold_and_no_other_fleets_hash_does() -> None:
    def hashed(**sections: Any) -> str:
        return config.compile(config.from_mapping(fleet(NAMES, **sections)), secrets=False).config_hash

    plain, careful = hashed(), hashed(cascades={"careful": CAREFUL})
    assert careful != plain
    assert hashed(cascades={"careful": {**CAREFUL, "accept": -0.5}}) != careful
    assert hashed(cascades={}, classifiers={}) == plain
    sorting = {"classifiers": {"intent": INTENT}, "rules": [{"classify": "intent"}, {"use": "small"}]}
    other = {**sorting, "classifiers": {"intent": {**INTENT, "about": "x"}}}
    assert hashed(**sorting) != hashed(**other)


@pytest.mark.parametrize("section", [CascadeSpec, ClassifierSpec])
def test_the_guide_names_every_key_and_signal(section: type[msgspec.Struct]) -> None:
    guide = (Path(__file__).parents[2] / "docs/guides/cascades.md").read_text(encoding="utf-8")
    words = [*section.__struct_encode_fields__, *describe.words_of(Signal)]
    assert [word for word in words if f"`{word}`" not in guide] == []
