"""Ids of requests: the caller's own, or one that nobody else has, in a forked worker neither."""

from __future__ import annotations

import subprocess
import sys

from junctor.doors.answer import request_id_of
from junctor.doors.contract import Incoming

FORKED = """
import os
from junctor.doors.answer import request_id_of
from junctor.doors.contract import Incoming

def several():
    return [request_id_of(Incoming("POST", "/", {}, b"")) for _ in range(100)]

several()
out, into = os.pipe()
if os.fork() == 0:
    os.write(into, " ".join(several()).encode())
    os._exit(0)
os.wait()
both = os.read(out, 65536).decode().split() + several()
print(len(both), len(set(both)))
"""


def test_an_id_is_new_unless_the_caller_gave_one() -> None:
    ids = {request_id_of(Incoming("POST", "/", {}, b"")) for _ in range(1_000)}
    assert len(ids) == 1_000
    assert all(id.startswith("req_") and len(id) == 28 for id in ids)
    assert request_id_of(Incoming("POST", "/", {"x-request-id": "trace-1"}, b"")) == "trace-1"


def test_a_forked_worker_does_not_repeat_its_parents_ids() -> None:
    run = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == ["200", "200"]
