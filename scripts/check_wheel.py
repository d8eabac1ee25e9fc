"""Looks into the built wheel and uses it the way a user would. Run by `make wheel`.

Tests run against the checkout, where every file is at hand. What users get is the wheel, and it is built by rules of
its own: so the wheel is opened, installed into an empty environment outside the checkout, and the README's program is
run there, with warnings as errors.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from scripts.markdown import ROOT, program

PACKAGE = ROOT / "python" / "junctor"
# What a wheel must hold beside the package's own files; {} is the name of its metadata directory.
METADATA = ("{}/METADATA", "{}/entry_points.txt", "{}/licenses/LICENSE", "{}/licenses/NOTICE")


def problems(wheel: Path) -> list[str]:
    """What is wrong with a wheel's name and contents, one line each."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    metadata = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    expected = {f"junctor/{file}" for file in _package_files()} | {line.format(metadata) for line in METADATA}
    strays = {name for name in names if not name.startswith(("junctor/", f"{metadata}/"))}
    cached = {name for name in names if "__pycache__" in name}
    return [
        *([] if "-cp311-abi3-" in wheel.name else [f"{wheel.name}: the tag is not cp311-abi3"]),
        *(f"missing: {name}" for name in sorted(expected - names)),
        *(f"does not belong into the wheel: {name}" for name in sorted(strays | cached)),
    ]


def _package_files() -> list[str]:
    """Every file of the package that must be shipped, the extension included."""
    files = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted({path.relative_to(PACKAGE).as_posix() for path in files} | {"_core.abi3.so"})


def use(wheel: Path) -> None:
    """Installs the wheel into an empty environment and uses it there.

    A step that fails raises `subprocess.CalledProcessError`, which names the command.
    """
    with tempfile.TemporaryDirectory(prefix="junctor-wheel-") as directory:
        home = Path(directory)
        venv.create(home / "venv", with_pip=True)
        python = home / "venv" / "bin" / "python"
        readme = home / "readme.py"
        readme.write_text(program(ROOT / "README.md"), encoding="utf-8")
        for command in (
            [python, "-m", "pip", "install", "--quiet", wheel.resolve()],
            [python, "-W", "error", "-c", "import junctor, junctor._core; print(junctor._core.__file__)"],
            [python.with_name("junctor"), "--version"],
            [python, "-W", "error", readme],
        ):
            print("$", *(str(part).removeprefix(f"{home}/") for part in command), flush=True)
            subprocess.run([str(part) for part in command], cwd=home, check=True)


def main() -> int:
    """Checks the only wheel of the directory given as argument."""
    wheels = sorted(Path(sys.argv[1]).glob("*.whl"))
    if len(wheels) != 1:
        print(f"{sys.argv[1]}: expected exactly one wheel, found {len(wheels)}; run `make wheel`")
        return 1
    found = problems(wheels[0])
    print("\n".join(found) or f"{wheels[0].name}: {wheels[0].stat().st_size / 1e6:.1f} MB, contents as expected")
    if not found:
        use(wheels[0])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
