"""Fleet files: damaged bytes are an error that says where, or a fleet that the core takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from junctor import _core, config
from junctor.config.load import examine
from scripts.markdown import ROOT
from tests.fuzz.mutants import CASES, mutants, survived

WORDS = [
    *(
        b"&a ",
        b"*a",
        b"<<: *a",
        b"!!python/object:os.system ",
        b"- ",
        b": ",
        b"? ",
        b"|",
        b">",
        b"---\n",
        b"...\n",
        b"%YAML 9\n",
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b"[" * 3000,
        b"[[",
        b"=",
        b'"""',
        b"#",
        b"no",
        b"12:30",
        b"0x",
        b"2026-11-25",
        b"env:A",
        b"auto",
    ),
]
SEEDS = {
    ".yaml": [
        (name, (ROOT / name).read_bytes()) for name in ("tests/config/fixtures/design.yaml", "examples/fleet.yaml")
    ],
    ".toml": [(name, (ROOT / name).read_bytes()) for name in ("tests/config/fixtures/design.toml",)],
}
# A fleet file takes a hundred times as long as a line of headers.
FILES = max(CASES // 4, 1)


@pytest.mark.parametrize("ending", SEEDS)
def test_no_file_raises_hangs_or_is_refused_without_a_reason(tmp_path: Path, ending: str) -> None:
    file, taken, refused = tmp_path / f"fleet{ending}", 0, 0
    for number, (name, mutant) in enumerate(mutants(SEEDS[ending], WORDS, FILES)):
        file.write_bytes(mutant)
        found, problems = survived(number, examine, file)
        errors = [str(problem) for problem in problems.found if problem.severity == "error"]
        assert (found is None) == bool(errors), name
        assert all("\n" not in line and len(line) < 2000 for line in errors), (name, errors)
        if found is None:
            refused += 1
            continue
        taken += 1
        _core.check_fleet(config.compile(found, secrets=False).fleet)
    assert taken > 0 or FILES < 100, "some of the damage is in comments and names"
    assert refused > 0
