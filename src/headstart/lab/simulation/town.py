"""What everybody shares: chance, nodes that may not answer, and an honest record."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from headstart.app.dispatcher import Contended, Done
from headstart.app.feed import Frame
from headstart.app.ports import Cursor, PaymentsUnavailable, Unavailable
from headstart.core.access import Principal
from headstart.core.commands import Command
from headstart.core.request import MechanicId, RequestId
from headstart.lab.checkers import History, Plain
from headstart.lab.simulation.database import ModelDatabase
from headstart.lab.simulation.nodes import Node

PATIENCE = (1, 3, 8)  # attempts, before a client gives up without knowing
RETRY_S_MAX = 1.0
REPEATED_LATE = 0.1  # how often a command that was answered arrives once more
REPEAT_S_MAX = 10.0
STREAM_S_MAX = 90.0

Result = TypeVar("Result")


@dataclass(slots=True)
class Town:
    """What everybody shares."""

    random: Random
    database: ModelDatabase
    history: History
    habits: tuple[str, ...]
    nodes: list[Node] = field(default_factory=list)
    booked: list[RequestId] = field(default_factory=list)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    keys: int = 0

    def now_s(self) -> float:
        """Seconds since the beginning."""
        return self.database.now_s()

    def chance(self, probability: float) -> bool:
        """What the seed decides."""
        return self.random.random() < probability

    def new_id(self) -> UUID:
        """An id that the seed decides."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def start(self, life: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Something that goes on beside everything else, until the story ends."""
        self.spawn(life)
        return self.tasks[-1]

    def spawn(self, life: Coroutine[Any, Any, None]) -> None:
        """The same, when nobody waits for its end."""
        self.tasks.append(asyncio.create_task(life))

    def pause(self, seconds_max: float) -> Awaitable[None]:
        """For up to this long."""
        return self.database.nap(self.random.uniform(0, seconds_max))

    async def ask(self, work: Callable[[Node], Coroutine[Any, Any, Result]]) -> Result:
        """Any node; Unavailable when it does not answer, whatever it may have done."""
        try:
            return await self.random.choice(self.nodes).serve(work)
        except (Unavailable, Contended, PaymentsUnavailable) as error:
            raise Unavailable from error
        except Exception as error:
            self.history.errors.append(f"a client saw {error!r}")
            raise Unavailable from error

    async def order(self, who: Principal, command: Command) -> str:
        """Give a command, with the same key until its outcome is known."""
        self.keys += 1
        key = f"key-{self.keys}"
        outcome = await self._order(who, command, key)
        if outcome != "fail" and self.chance(REPEATED_LATE):
            self.spawn(self._repeat(who, command, key))
        return outcome

    async def _repeat(self, who: Principal, command: Command, key: str) -> None:
        await self.pause(REPEAT_S_MAX)
        await self._order(who, command, key)

    async def _order(self, who: Principal, command: Command, key: str) -> str:
        record: Plain = {
            "who": str(who.id),
            "about": str(getattr(command, "mechanic", None) or who.id),
            "role": who.role.value,
            "operation": type(command).__name__,
            "request": str(command.request_id),
            "key": key,
            "called_s": self.now_s(),
            "outcome": "unknown",
            "detail": "",
        }
        self.history.operations.append(record)
        for _ in range(self.random.choice(PATIENCE)):
            try:
                outcome = await self.ask(
                    lambda node: node.dispatcher.execute(command, who=who, command_key=key)
                )
            except Unavailable:
                await self.pause(RETRY_S_MAX)
                continue
            record["answered_s"] = self.now_s()
            record["outcome"] = "ok" if isinstance(outcome, Done) else "fail"
            record["detail"] = "" if isinstance(outcome, Done) else outcome.value
            break
        return str(record["outcome"])

    async def suspend(self, mechanic: MechanicId, after_s_max: float, for_s_max: float) -> None:
        """An operator suspends a mechanic for a while."""
        await self.pause(after_s_max)
        status, suspensions = self.database.state.mechanics, self.history.suspensions
        if status[mechanic] == "suspended":
            return
        status[mechanic] = "suspended"
        place, since_s = len(suspensions), self.now_s()
        suspensions.append((str(mechanic), since_s, float("inf")))
        await self.pause(for_s_max)
        status[mechanic] = "approved"
        suspensions[place] = (str(mechanic), since_s, self.now_s())


@dataclass(slots=True)
class Listener:
    """One person's stream: on one node until it is cut, then on another, from where it was."""

    town: Town
    who: Principal
    heed: Callable[[Frame], None]
    cursor: Cursor | None = None
    frames: list[Plain] = field(default_factory=list)

    async def listen(self) -> None:
        """Until the end of the story."""
        while True:
            with suppress(Unavailable):
                await self.town.ask(self._hear)
            await self.town.pause(0.5)

    async def _hear(self, node: Node) -> None:
        """As the stream of the web layer: subscribe before reading, drop what was already sent."""
        await node.feed.started.wait()
        with node.feed.subscribe(self.who) as subscription:
            sent = await node.feed.place()
            if self.cursor is None:
                self._begin(sent)
            else:
                async for frame in node.feed.replay(self.who, self.cursor):
                    sent = max(sent, frame.cursor)
                    self._receive(frame)
            self.cursor = sent
            try:
                async with asyncio.timeout(self.town.random.uniform(0, STREAM_S_MAX)):
                    while arrived := await subscription.next():
                        if arrived.cursor > sent:
                            self._receive(arrived)
            except TimeoutError:
                return  # a tunnel

    def _begin(self, place: Cursor) -> None:
        stream: Plain = {
            "who": str(self.who.id),
            "role": self.who.role.value,
            "from": (place.xid, place.id),
            "frames": self.frames,
        }
        self.town.history.streams.append(stream)

    def _receive(self, frame: Frame) -> None:
        self.cursor = frame.cursor
        self.frames.append(
            {
                "cursor": (frame.cursor.xid, frame.cursor.id),
                "event": frame.event,
                "request": frame.payload["session_id"],
                "version": frame.payload["version"],
                "at_s": self.town.now_s(),
            }
        )
        self.heed(frame)
