"""The guide and the example are loadable, and the guide names every key and its default."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable

import msgspec
import pytest

from junctor import config
from junctor.config import gateway_spec, spec
from junctor.config.cloud_spec import CredentialsSpec

ROOT = pathlib.Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "config.md").read_text(encoding="utf-8")
CLOUDS = (ROOT / "docs" / "guides" / "clouds.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", f"{GUIDE}\n{CLOUDS}", re.MULTILINE | re.DOTALL)
SECTIONS = [
    spec.FleetSpec,
    spec.RedisSpec,
    spec.ProviderSpec,
    CredentialsSpec,
    spec.AccountingSpec,
    spec.PoolSpec,
    spec.DeploymentSpec,
    spec.PriceSpec,
    spec.GroupSpec,
    spec.ComplianceSpec,
    spec.RequireSpec,
    spec.RuleSpec,
    spec.ConditionSpec,
    spec.BalanceSpec,
    spec.RetrySpec,
    spec.DispatchSpec,
    spec.ObjectiveWeights,
    spec.ScorerSpec,
    gateway_spec.GatewaySpec,
    gateway_spec.KeySpec,
]


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_yaml_block_of_the_guide_loads_and_the_core_takes_it(
    block: str, tmp_path: pathlib.Path, core_accepts: Callable[[bytes], None]
) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(block, encoding="utf-8")
    core_accepts(config.compile(config.load(file), secrets=False).fleet)
    assert [str(problem) for problem in config.check(file) if problem.severity == "error"] == []


def test_the_guide_has_blocks() -> None:
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_the_guide_names_every_key(section: type[msgspec.Struct]) -> None:
    missing = [key for key in section.__struct_encode_fields__ if not re.search(rf"\b{key}\b", GUIDE)]
    assert missing == []


@pytest.mark.parametrize(
    ("prefix", "section"),
    [("balance", spec.BalanceSpec()), ("retry", spec.RetrySpec()), ("dispatch", spec.DispatchSpec())],
)
def test_the_guide_tells_the_defaults(prefix: str, section: spec.Closed) -> None:
    for key in section.__struct_fields__:
        row = next(line for line in GUIDE.splitlines() if line.startswith(f"| `{prefix}.{key}` |"))
        assert float(row.split("|")[-2]) == getattr(section, key)


def test_the_example_is_a_fleet_without_errors(core_accepts: Callable[[bytes], None]) -> None:
    file = ROOT / "examples" / "fleet.yaml"
    core_accepts(config.compile(config.load(file), secrets=False).fleet)
    assert [str(problem) for problem in config.check(file) if problem.severity == "error"] == []
