"""A segment that is not as it should be, and a directory that cannot be used: the state is private to the process, said
once and with the file's name, and nothing crashes."""

from __future__ import annotations

import os
import random
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes.fleets import fleet_file
from tests.processes.workers import Nursery, Worker

HEADER = 4_096
NOWHERE = "http://127.0.0.1:9"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away and mount")


def truncated(path: Path) -> None:
    os.truncate(path, 0)


def cut_in_the_header(path: Path) -> None:
    os.truncate(path, 100)


def cut_by_a_page(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 4_096)


def grown(path: Path) -> None:
    os.truncate(path, path.stat().st_size + 4_096)


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def of_another_version(path: Path) -> None:
    """As a newer junctor would leave it under the same name (B60)."""
    overwrite(path, 8, (99).to_bytes(8, "little"))


def of_another_boot(path: Path) -> None:
    """One byte of the boot's name: the checksum finds it."""
    overwrite(path, 24, b"\x01\x02")


def random_bytes(path: Path) -> None:
    path.write_bytes(random.Random(58).randbytes(path.stat().st_size))


def for_everybody(path: Path) -> None:
    path.chmod(0o666)


def a_link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


def a_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_suffix(".nothing"))


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_socket(path: Path) -> None:
    path.unlink()
    short = path.with_name("s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(short))
    listener.close()
    short.rename(path)


def somebody_elses(path: Path) -> None:
    os.chown(path, 65_534, 65_534)


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


DAMAGES: list[Callable[[Path], None]] = [
    truncated,
    cut_in_the_header,
    cut_by_a_page,
    grown,
    zeroed,
    of_another_version,
    of_another_boot,
    random_bytes,
    for_everybody,
    a_link,
    a_dangling_link,
    a_pipe,
    a_directory,
    a_socket,
]


def opened(nursery: Nursery, fleet: Path, directory: Path) -> Worker:
    """A worker that has opened the fleet as users do, its segments in this directory."""
    worker = nursery.worker()
    worker.ask("environment", name="JUNCTOR_RUNTIME_DIR", value=str(directory))
    worker.ask("open_file", path=str(fleet))
    return worker


def is_private(worker: Worker, named: Path) -> None:
    """Said once, with the file; and it serves all the same."""
    told = worker.ask("snapshot")
    assert not told["state"]["shared"]
    assert str(named) in told["state"]["why_private"]
    warned = worker.ask("warned")
    assert len(warned) == 1
    assert warned[0].startswith("NarrowerStateWarning")
    assert str(named) in warned[0]
    assert worker.ask("reserve", count=3) == 3
    assert worker.ask("settle") == 3
    assert worker.ask("warned") == warned, "once"


def is_shared(worker: Worker) -> None:
    assert worker.ask("snapshot")["state"]["shared"]
    assert worker.ask("warned") == []


@pytest.mark.parametrize(
    "damage", [*DAMAGES, pytest.param(somebody_elses, marks=root_only)], ids=lambda damage: damage.__name__
)
def test_a_file_that_is_not_as_it_was_made_is_left_alone(
    nursery: Nursery, folder: Path, damage: Callable[[Path], None]
) -> None:
    """B58, B60, B62, C21."""
    fleet, directory = fleet_file(folder, NOWHERE), folder / "run"
    first = opened(nursery, fleet, directory)
    path = Path(first.ask("snapshot")["state"]["segment"])
    first.kill()
    damage(path)
    before = (path.lstat(), path.read_bytes() if path.is_file() else b"")
    is_private(opened(nursery, fleet, directory), path)
    after = (path.lstat(), path.read_bytes() if path.is_file() else b"")
    assert (before[1], before[0].st_ino, before[0].st_mode) == (after[1], after[0].st_ino, after[0].st_mode)
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()
    is_shared(opened(nursery, fleet, directory))


def test_a_file_that_was_removed_is_made_anew_and_those_who_had_it_go_on(nursery: Nursery, folder: Path) -> None:
    """B58: cleaners remove files of the living. Nobody is taken for dead by it."""
    fleet, directory = fleet_file(folder, NOWHERE, concurrency=10), folder / "run"
    first = opened(nursery, fleet, directory)
    assert first.ask("reserve", count=4) == 4
    for name in directory.iterdir():
        name.unlink()
    second = opened(nursery, fleet, directory)
    is_shared(second)
    assert second.ask("reserve", count=4) == 4
    assert first.ask("settle") == second.ask("settle") == 4
    for worker in (first, second):
        assert worker.ask("snapshot")["pools"]["only"]["concurrency"]["level"] == 10


def test_a_directory_that_is_missing_is_made_for_this_user_alone(nursery: Nursery, folder: Path) -> None:
    directory = folder / "run"
    is_shared(opened(nursery, fleet_file(folder, NOWHERE), directory))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_directory_that_cannot_be_used(nursery: Nursery, folder: Path) -> None:
    """B59: nowhere, in a file's place, writable by others, a link."""
    fleet = fleet_file(folder, NOWHERE)
    nowhere, file, open_to_all, link = folder / "no" / "where", folder / "file", folder / "all", folder / "link"
    file.write_text("")
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    link.symlink_to(open_to_all)
    for directory in (nowhere, file, open_to_all, link):
        is_private(opened(nursery, fleet, directory), directory)
    assert list(open_to_all.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_directory_that_is_read_only(nursery: Nursery, folder: Path) -> None:
    """B59."""
    directory = folder / "run"
    directory.mkdir(mode=0o500)
    is_private(opened(nursery, fleet_file(folder, NOWHERE), directory), directory)


@contextmanager
def mounted(directory: Path, options: str) -> Iterator[Path]:
    """A file system in memory at `directory`; skips where nobody may mount."""
    directory.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"{options},mode=0700", "tmpfs", str(directory)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"this machine lets nobody mount: {done.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@root_only
@pytest.mark.parametrize("options", ["size=256k", "ro"])
def test_a_disk_that_is_full_or_read_only(nursery: Nursery, folder: Path, options: str) -> None:
    """B59: found when the file is made, never when it is written to."""
    with mounted(folder / "run", options) as directory:
        is_private(opened(nursery, fleet_file(folder, NOWHERE), directory), directory)
        assert list(directory.iterdir()) == [], "no draft is left"


@root_only
def test_a_file_that_was_left_before_the_machine_was_started_anew_is_not_used(folder: Path) -> None:
    """B62: another boot, another file; everything is fresh."""
    fleet, directory = fleet_file(folder, NOWHERE, concurrency=10), folder / "run"
    with Nursery(folder) as nursery:
        first = opened(nursery, fleet, directory)
        assert first.ask("reserve", count=7) == 7
        first.kill()
    (folder / "boot_id").write_text("12345678-1234-1234-1234-123456789abc\n")
    boot = f'mount --bind {folder / "boot_id"} /proc/sys/kernel/random/boot_id && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", boot, "sh")
    if subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    with Nursery(folder, prefix=prefix) as nursery:
        after = opened(nursery, fleet, directory)
        is_shared(after)
        told = after.ask("snapshot")
        assert (told["pools"]["only"]["concurrency"]["level"], told["counters"]["reaped"]) == (10, 0)
    assert len(list(directory.glob("*.segment"))) == 2


def test_the_257th_process_is_private_and_the_others_go_on(nursery: Nursery, folder: Path) -> None:
    """B61: one process may hold many seats, so eight do for 256."""
    fleet, directory = fleet_file(folder, NOWHERE), folder / "run"
    workers = [opened(nursery, fleet, directory) for _ in range(8)]
    for worker in workers:
        for _ in range(31):
            worker.ask("open_file", path=str(fleet))
        is_shared(worker)
    segment = Path(workers[0].ask("snapshot")["state"]["segment"])
    is_private(opened(nursery, fleet, directory), segment)
    assert len(workers[0].ask("snapshot")["processes"]) == 256
    workers[3].ask("close_router", index=5)
    is_shared(opened(nursery, fleet, directory))


def test_a_forked_child_that_finds_no_seat_says_so_too(nursery: Nursery, folder: Path) -> None:
    """B61: nobody opened anything there, so nobody else would have said it."""
    fleet, directory = fleet_file(folder, NOWHERE), folder / "run"
    parent = opened(nursery, fleet, directory)
    segment = Path(parent.ask("snapshot")["state"]["segment"])
    for _ in range(255):
        parent.ask("open_file", path=str(fleet))
    parent.ask("fork")
    is_private(nursery.arrival(), segment)
    is_shared(parent)
