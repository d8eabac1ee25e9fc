"""The older environment is what it is for: the SDKs that programs have today, and junctor from this checkout."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import junctor


def test_the_clients_are_the_older_ones() -> None:
    """A newer one would make every test beside this one a test of something else."""
    assert version("openai").partition(".")[0] == "2"
    assert version("anthropic").partition(".")[0] == "1"
    assert version("litellm") == "1.109.1"


def test_junctor_is_the_one_of_this_checkout() -> None:
    """Nothing is built or installed again."""
    assert junctor.__file__ is not None
    assert Path(junctor.__file__).is_relative_to(Path(__file__).parents[2] / "python")
