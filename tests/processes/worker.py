"""What a worker does: commands as JSON lines, one answer each. Run as a program with a socket it is the nursery."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import fcntl
import gc
import json
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import warnings
from typing import Any

from junctor import Client, NoCapacity, Router
from junctor._core import Reservation
from tests.processes.fleets import Fleet, compiled

address = ""
routers: list[Router] = []
held: list[Reservation] = []
clients: list[Client] = []
connections: list[int] = []
told: list[str] = []
"""Warnings of this process."""


def open_router(
    directory: str, fleet: Fleet, name: str = "fleet", count: int = 1, seed: int | None = None
) -> str | None:
    """Opens routers; answers why the last of them is private."""
    for _ in range(count):
        endpoints = [deployment["name"] for deployment in fleet["deployments"]]
        routers.append(Router(compiled(fleet), endpoints, seed=seed, shared=(directory, name)))
    return routers[-1].why_private


def open_file(path: str) -> str | None:
    """Opens a router as users do; answers why it is private."""
    routers.append(Router.open(path))
    return routers[-1].why_private


def environment(name: str, value: str) -> None:
    """Sets a variable of this process."""
    os.environ[name] = value


def reserve(count: int, model: str = "all") -> int:
    """Takes up to `count` reservations and keeps them; answers how many it got."""
    got = 0
    with contextlib.suppress(NoCapacity):
        for _ in range(count):
            held.append(routers[0].reserve(model))
            got += 1
    return got


def seeds(count: int) -> list[int]:
    """The seeds of so many decisions."""
    return [routers[0].explain("all").seed for _ in range(count)]


def settle(outcome: str = "ok") -> int:
    """Settles all that is kept; answers how many those were."""
    done = len(held)
    for reservation in held:
        reservation.settle(outcome)
    held.clear()
    return done


def drop() -> None:
    """Lets the garbage collector have all that is kept."""
    held.clear()
    gc.collect()


def snapshot() -> dict[str, Any]:
    """As the first router sees things."""
    return routers[0].snapshot()


def warned() -> list[str]:
    """Texts of the warnings so far."""
    return told


def reload(fleet: Fleet) -> None:
    """Adopts a changed fleet."""
    routers[0].reload(compiled(fleet), [deployment["name"] for deployment in fleet["deployments"]])


def reload_from(path: str) -> None:
    """Adopts a changed file."""
    routers[0].reload_from(path)


def catch_up() -> bool:
    """What a program with its own loop does now and then."""
    return routers[0].catch_up()


def behind() -> bool:
    """What a client learns with each call."""
    return routers[0].note_call()


def close_router(index: int = 0) -> None:
    """Closes a router."""
    del routers[index]
    gc.collect()


def sleep_at(path: str) -> None:
    """A child program of a worker, as servers start them; waits for its end."""
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    asyncio.run(_spawn(path))


async def _spawn(path: str) -> None:
    process = await asyncio.create_subprocess_exec(path)
    await process.wait()


def spawn_under_uvloop(path: str) -> None:
    """The same by uvloop."""
    import uvloop

    uvloop.run(_spawn(path))


def fork() -> None:
    """Forks; the child becomes a worker of its own."""
    if os.fork() == 0:
        serve_anew()


def fork_and_exit() -> None:
    """Forks a child that lives on, and ends."""
    if os.fork() == 0:
        serve_anew()
    os._exit(0)


def serve_anew() -> None:
    """A forked child leaves its parent's connection and takes commands by its own."""
    for descriptor in connections:
        os.close(descriptor)
    connections.clear()
    serve(socket_to(address))


def hammer(seconds: float, models: list[str], tokens: int, lock: str) -> dict[str, Any]:
    """Takes from limits as fast as it can; answers what each gave, between which times, and what was broken.

    The limit of `alone` admits one at a time: whoever is admitted must get the lock of a file at once.
    """
    router, draw = routers[0], random.Random(os.getpid())
    counts = dict.fromkeys(models, 0)
    spent, broken = dict.fromkeys(models, 0), 0
    with open(lock, "wb") as file:
        began, end = time.monotonic(), time.monotonic() + seconds
        while time.monotonic() < end:
            for model in models:
                try:
                    reservation = router.reserve(model, input_tokens=tokens, output_tokens=0)
                except NoCapacity:
                    continue
                counts[model] += 1
                if model == "alone":
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        broken += 1
                    else:
                        fcntl.flock(file, fcntl.LOCK_UN)
                used = draw.randint(tokens // 2, tokens)
                spent[model] += used
                reservation.settle("ok", input_tokens=used, output_tokens=0)
        ended = time.monotonic()
    return {"counts": counts, "spent": spent, "broken": broken, "began": began, "ended": ended}


def churn(seed: int, most: int) -> None:
    """Reserves, keeps up to `most`, settles some, drops some, until it is killed."""
    router, draw = routers[0], random.Random(seed)
    while True:
        if len(held) < draw.randint(0, most):
            with contextlib.suppress(NoCapacity):
                held.append(router.reserve("all", input_tokens=10))
        elif held:
            reservation = held.pop(draw.randrange(len(held)))
            way = draw.random()
            if way < 0.8:
                reservation.settle("ok", input_tokens=10, output_tokens=0)
            elif way < 0.9:
                reservation.cancel(sent=False)
            del reservation  # else abandoned


def churn_for(seconds: float, seed: int, most: int) -> int:
    """The same for a while, then everything is settled; answers how often it went round."""
    router, draw, rounds = routers[0], random.Random(seed), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rounds += 1
        if len(held) < draw.randint(0, most):
            with contextlib.suppress(NoCapacity):
                held.append(router.reserve("all", input_tokens=10))
        elif held:
            held.pop().settle("ok", input_tokens=10, output_tokens=0)
    settle()
    return rounds


def chat(count: int, tasks: int = 1) -> int:
    """So many calls by a client, shared out among tasks; answers how many were answered."""
    return asyncio.run(_chat(count, tasks))


async def _chat(count: int, tasks: int) -> int:
    left = iter(range(count))

    async def some(client: Client) -> int:
        answered = 0
        for _ in left:
            await client.chat("all", [{"role": "user", "content": "Hi"}], max_tokens=1, deadline_s=20, max_wait_s=20)
            answered += 1
        return answered

    async with Client(routers[0]) as client:
        return sum(await asyncio.gather(*(some(client) for _ in range(tasks))))


def keep_client() -> None:
    """A client that is kept from call to call, as servers keep one."""
    clients.append(Client(routers[0]))


def call() -> str:
    """One call by the client that is kept."""
    messages = [{"role": "user", "content": "Hi"}]
    return asyncio.run(clients[0].chat("all", messages, max_tokens=1, deadline_s=5)).text


def start_threads(count: int) -> None:
    """Threads that reserve and settle for as long as this process lives."""
    for _ in range(count):
        threading.Thread(target=_serve_on, daemon=True).start()


def _serve_on() -> None:
    while True:
        with contextlib.suppress(NoCapacity):
            routers[0].reserve("all").settle("ok")


def reserved_of(model: str) -> str | None:
    """Takes one reservation and keeps it; answers whose it is."""
    if not reserve(1, model):
        return None
    return held[-1].deployment


def probe_at(monotonic_s: float) -> str | None:
    """Waits actively for an instant, then asks at once; answers whose attempt it got."""
    while time.monotonic() < monotonic_s:
        pass
    return reserved_of("all")


def cancel() -> None:
    """Gives up all that is kept, as if nothing had been sent."""
    for reservation in held:
        reservation.cancel(sent=False)
    held.clear()


def in_a_pool(method: str, directory: str, fleet: Fleet) -> list[tuple[int, bool, bool]]:
    """Three tasks in processes of an executor, made as `method` says after this one has opened its router.

    Answers of each its process id, and whether it had a state that is shared, and a reservation.
    """
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(3, context) as executor:
        return list(executor.map(_task, [directory] * 3, [fleet] * 3, range(3)))


def _task(directory: str, fleet: Fleet, _: int) -> tuple[int, bool, bool]:
    if not routers:
        open_router(directory, fleet)
    with routers[0].reserve("all") as reservation:
        reservation.settle("ok")
    return os.getpid(), snapshot()["state"]["shared"], True


def in_a_process(method: str, directory: str, fleet: Fleet) -> int | None:
    """The same by `multiprocessing` itself; answers the child's exit code."""
    context: Any = multiprocessing.get_context(method)  # the stubs know processes of named contexts alone
    process = context.Process(target=_task, args=(directory, fleet, 0))
    process.start()
    process.join(20)
    code: int | None = process.exitcode
    return code


COMMANDS = {
    each.__name__: each
    for each in (
        open_router,
        open_file,
        environment,
        reserve,
        seeds,
        settle,
        drop,
        snapshot,
        warned,
        reload,
        reload_from,
        catch_up,
        behind,
        close_router,
        sleep_at,
        spawn_under_uvloop,
        fork,
        fork_and_exit,
        hammer,
        churn,
        churn_for,
        chat,
        keep_client,
        call,
        start_threads,
        reserved_of,
        probe_at,
        cancel,
        in_a_pool,
        in_a_process,
    )
}


def serve(connection: socket.socket) -> None:
    """Runs commands until the test closes the connection."""
    connections.append(connection.fileno())
    lines = connection.makefile("rb")
    for line in lines:
        command = json.loads(line)
        try:
            said = {"value": COMMANDS[command.pop("do")](**command)}
        except BaseException:
            said = {"error": traceback.format_exc()}
        connection.sendall(json.dumps(said).encode() + b"\n")
    os._exit(0)


def socket_to(place: str) -> socket.socket:
    """A connection to the test."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(place)
    return connection


def note_warnings() -> None:
    """Warnings are kept, to be asked for."""
    warnings.simplefilter("always")

    def keep(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        told.append(f"{category.__name__}: {message}")

    warnings.showwarning = keep


def main() -> None:
    """The nursery: forks a worker for each line of its input."""
    global address
    address = sys.argv[1]
    note_warnings()
    while sys.stdin.buffer.readline():
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            serve(socket_to(address))


if __name__ == "__main__":
    # Dead workers vanish by themselves; nobody asks the nursery how they ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    main()
