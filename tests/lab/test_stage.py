"""The stage stands, survives what is done to it, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from uuid import UUID

import asyncpg
import httpx
import pytest

from headstart.lab import backstage
from headstart.lab.backstage import Server, ServerDied, free_port, server_environment, wait_until
from headstart.lab.cast import Cast
from headstart.lab.stage import Stage
from headstart.lab.verify import stopped_by_sigterm
from headstart.lab.visitors import NotTold

GUARD_S = 60
INTERRUPTED = 130


def test_a_booking_becomes_a_request_that_its_favourite_hears_of(stage: Stage) -> None:
    cast = Cast(stage)
    request_id = stage.book(cast.customer, cast.favorite)
    cast.ears_of(cast.favorite).wait_for("priority_session_request", request_id)
    assert cast.others_know(request_id) == []


def test_a_listener_says_who_was_not_told(stage: Stage) -> None:
    cast = Cast(stage)
    with pytest.raises(NotTold, match=r"Otto was not told new_request within 0\.01 s"):
        cast.ears_of(cast.others[0]).wait_for("new_request", UUID(int=1), within_s=0.01)


def test_a_leak_is_noticed(stage: Stage) -> None:
    """What the silence of the others is worth: a broadcast is not taken for silence."""
    cast = Cast(stage)
    request_id = stage.book(cast.customer)
    known = cast.others_know(request_id)
    ways = {"stream: new_request", "replay: new_request", "replay: snapshot"}
    ways |= {"offers", "a look was answered with 200"}
    assert set(known) == {f"{name}'s {way}" for name in ("Otto", "Olga") for way in ways}


def test_a_server_is_killed_and_comes_back_at_the_same_address(stage: Stage) -> None:
    """While it is away people pay and time passes; their streams go on where they were."""
    cast = Cast(stage)
    booking = stage.submit(cast.customer, cast.favorite)
    address, pid, before = stage.server.url, stage.server.pid, stage.now()
    stage.server.kill()
    assert not stage.server.is_running
    stage.pay(booking)
    stage.advance(10)
    assert (stage.now() - before).total_seconds() >= 600
    stage.server.start()
    assert (stage.server.url, stage.server.pid == pid) == (address, False)
    request_id = stage.request_of(booking.intake_id)
    cast.ears_of(cast.favorite).wait_for("priority_session_request", request_id)


def test_another_server_tells_of_the_same_requests(stage: Stage) -> None:
    cast = Cast(stage)
    with stage.another_server() as other:
        ears = cast.favorite.at(other.url).listen()
        request_id = stage.book(cast.customer, cast.favorite)
        ears.wait_for("priority_session_request", request_id)
        ears.close()
        assert cast.favorite.at(other.url).accept(request_id).is_success
    assert not other.is_running
    assert stage.request(request_id)["status"] == "matched"


def test_nobody_is_given_the_port_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nobody listens there yet, and the other is another process."""
    monkeypatch.setattr(backstage, "PORTS", range(19_000, 19_100))
    here = [free_port() for _ in range(20)]
    drawing = """
        from headstart.lab import backstage
        backstage.PORTS = range(19_000, 19_100)
        print(*[backstage.free_port() for _ in range(20)])
    """
    command = [sys.executable, "-c", dedent(drawing)]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert len({*here, *map(int, there)}) == 40


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    environment = server_environment({"HEADSTART_MODE": "theatre"})
    server = Server(environment, tmp_path, free_port())
    with pytest.raises(ServerDied, match="HEADSTART_MODE"):
        server.start()


def test_an_interruption_leaves_no_server_behind(database_server: str, tmp_path: Path) -> None:
    verifying = subprocess.Popen(
        [sys.executable, "-m", "headstart", "verify"],
        cwd=tmp_path,
        env=os.environ | {"DATABASE_URL": database_server, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert verifying.stdout is not None
    with verifying:
        standing = re.search(r"http://\S+:\d+", verifying.stdout.readline())
        assert standing, "it says where the service stands"
        verifying.send_signal(signal.SIGINT)
        verifying.stdout.read()
        assert verifying.wait(GUARD_S) == INTERRUPTED
    wait_until(lambda: not _answers(standing[0]), "the server still runs")


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address.rstrip(':')}/healthz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_an_order_to_stop_is_an_interruption() -> None:
    with pytest.raises(SystemExit) as left, stopped_by_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
    assert left.value.code == 128 + signal.SIGTERM


async def test_no_scratch_database_is_left(database_server: str) -> None:
    """Of the run that was interrupted; the one of this module's stage is in use."""
    connection = await asyncpg.connect(database_server)
    try:
        names = "select datname from pg_database where datname like 'headstart_scratch_%'"
        assert len(await connection.fetch(names)) == 1
    finally:
        await connection.close()
