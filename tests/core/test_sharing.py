"""Routers that name the same fleet share one state; others do not; and a reload in one reaches the others."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from junctor import NoCapacity, Router
from junctor._core import ManualClock
from junctor.exceptions import NarrowerStateWarning

FLEET = """
version: 1
providers: {local: {adapter: openai, base_url: "http://127.0.0.1:9/v1"}}
deployments:
  a: {model: local/m, concurrency: 3}
  b: {model: local/n}
"""


def written(folder: Path, text: str = FLEET, name: str = "fleet.yaml") -> Path:
    """A fleet file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def free(router: Router) -> int:
    """Free places of `a`."""
    level: int = router.snapshot()["pools"]["a"]["concurrency"]["level"]
    return level


def test_routers_of_one_file_share_their_limits(tmp_path: Path) -> None:
    path = written(tmp_path)
    one, two = Router.open(path), Router.open(path)
    held = [one.reserve("a"), two.reserve("a"), one.reserve("a")]
    with pytest.raises(NoCapacity):
        two.reserve("a")
    held[0].settle("ok")
    assert free(one) == free(two) == 1
    del held
    assert free(one) == 3
    told = two.snapshot()
    assert told["state"]["shared"]
    assert [process["own"] for process in told["processes"]] == [False, True]


def test_another_file_and_a_link_to_the_same(tmp_path: Path) -> None:
    path, other = written(tmp_path), written(tmp_path, name="other.yaml")
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    one, two, linked = Router.open(path), Router.open(other), Router.open(link)
    with one.reserve("a"):
        assert (free(two), free(linked)) == (3, 2)


def test_files_of_one_name_share(tmp_path: Path) -> None:
    named = f"{FLEET}name: {tmp_path.name}\n"
    one = Router.open(written(tmp_path, named))
    two = Router.open(written(tmp_path, named, name="other.yaml"))
    with one.reserve("a"):
        assert free(two) == 2


def test_a_clock_that_a_test_moves_and_process_scope_are_not_shared(tmp_path: Path) -> None:
    path = written(tmp_path)
    shared, moved = Router.open(path), Router.open(path, clock=ManualClock())
    alone = Router.open(written(tmp_path, f"{FLEET}state: process\n", name="alone.yaml"))
    with shared.reserve("a"):
        assert free(moved) == 3
    assert [router.snapshot()["state"]["shared"] for router in (shared, moved, alone)] == [True, False, False]


def test_when_the_segment_is_removed_all_meet_again_in_another(tmp_path: Path) -> None:
    path = written(tmp_path)
    one, two = Router.open(path), Router.open(path)
    held = one.reserve("a")
    removed = Path(one.snapshot()["state"]["segment"])
    removed.unlink()
    with pytest.warns(NarrowerStateWarning, match="while it was in use"):
        wait_until(lambda: one.snapshot() and removed.exists())
    late = Router.open(path)
    with pytest.warns(NarrowerStateWarning, match="while it was in use"):
        wait_until(lambda: len(two.snapshot()["processes"]) == 3)
    held.settle("ok")
    with late.reserve("a"), one.reserve("a"), two.reserve("a"):
        assert free(one) == free(two) == free(late) == 0
    assert free(two) == 3


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_program_that_closes_all_its_descriptors_sits_down_again(tmp_path: Path) -> None:
    path = written(tmp_path)
    one = Router.open(path)
    segment = one.snapshot()["state"]["segment"]
    held = one.reserve("a")
    for number in [int(name) for name in os.listdir("/proc/self/fd")]:
        if number > 2 and os.path.realpath(f"/proc/self/fd/{number}") == segment:
            os.close(number)
    others = [os.open(tmp_path, os.O_RDONLY) for _ in range(3)]
    two = Router.open(path)  # takes the seat that looks free, and what was in flight with it
    with pytest.warns(NarrowerStateWarning, match="closed by this program"):
        wait_until(lambda: len(one.snapshot()["processes"]) == 2)
    held.settle("ok")
    with one.reserve("a"), two.reserve("a"):
        assert free(one) == free(two) == 1
    assert free(one) == 3
    for number in others:
        os.close(number)  # still ours: nobody closed them for us


def test_sharing_warns_of_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Router.open(written(tmp_path)).why_private is None


def test_a_reload_in_one_reaches_the_others(tmp_path: Path) -> None:
    path = written(tmp_path)
    one, two = Router.open(path), Router.open(path)
    assert not two.catch_up()
    written(tmp_path, FLEET.replace("concurrency: 3", "concurrency: 5"))
    assert not two.note_call(), "a changed file alone is nobody's configuration"
    one.reload_from(path)
    assert two.note_call()
    assert two.newer_config == one.config_hash
    assert [process["behind"] for process in one.snapshot()["processes"]] == [False, True]
    two.catch_up_soon()
    wait_until(lambda: not two.note_call())
    assert two.config_hash == one.config_hash
    assert free(two) == 5
    assert not any(process["behind"] for process in one.snapshot()["processes"])


def test_whose_file_is_another_stays_behind_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path)
    one, two = Router.open(path), Router.open(path)
    written(tmp_path, FLEET.replace("concurrency: 3", "concurrency: 5"))
    one.reload_from(path)
    written(tmp_path, FLEET.replace("concurrency: 3", "concurrency: 4"))
    assert not two.catch_up()
    written(tmp_path, "version: 1\n")
    assert not two.catch_up(), "a file that is wrong changes nothing"
    told = {process["own"]: process for process in two.snapshot()["processes"]}
    assert (told[True]["behind"], told[False]["behind"]) == (True, False)
    assert told[True]["config"] == two.config_hash
    assert free(two) == 3


def test_a_file_is_read_again_only_when_it_or_the_newest_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path)
    one, two = Router.open(path), Router.open(path)
    written(tmp_path, FLEET.replace("concurrency: 3", "concurrency: 5"))
    one.reload_from(path)
    written(tmp_path, FLEET.replace("concurrency: 3", "concurrency: 4"))
    tried = []
    monkeypatch.setattr(Router, "catch_up", lambda self: tried.append(self.newer_config))
    two.catch_up_soon()
    wait_until(lambda: len(tried) == 1)
    two.catch_up_soon()
    one.reload_from(path)
    two.catch_up_soon()
    wait_until(lambda: len(tried) == 2)
    assert tried[0] != tried[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_draw_apart_unless_a_seed_is_given(tmp_path: Path) -> None:
    text = FLEET.replace("local/n", "local/m").replace("concurrency: 3", "weight: 1") + "state: process\n"
    path = written(tmp_path, text)
    assert len({chosen_in_child(Router.open(path, seed=5)) for _ in range(3)}) == 1
    parent = Router.open(path)
    assert len({chosen_in_child(parent) for _ in range(4)}) > 1


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can reach; pytest's own are closed."""
    with tempfile.TemporaryDirectory(prefix="junctor-open-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
def test_workers_that_gave_up_roots_rights_meet_in_their_own_directory(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = open_folder / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, 65_534, 65_534)
    parent = Router.open(written(open_folder))
    monkeypatch.setenv("JUNCTOR_RUNTIME_DIR", str(theirs))
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            os.setuid(65_534)
            told = parent.snapshot()["state"]
            os.write(writer, f"{told['shared']} {told['segment']}".encode())
        finally:
            os._exit(0)
    os.wait()
    os.close(writer)
    with os.fdopen(reader) as told_by_child:
        assert told_by_child.read().startswith(f"True {theirs}")


def chosen_in_child(router: Router) -> bytes:
    """Whom a forked child's first 64 draws name."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            names = [router.explain("local/m").deployment or "" for _ in range(64)]
            os.write(writer, "".join(names).encode())
        finally:
            os._exit(0)
    os.wait()
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        return told.read()


def wait_until(true: Callable[[], object]) -> None:
    """Look until it is so, for ten seconds."""
    ends = time.monotonic() + 10
    while not true():
        assert time.monotonic() < ends, "it never came to be"
        time.sleep(0.005)
