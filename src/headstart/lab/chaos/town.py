"""What everybody in a round shares: chance, servers that may not answer, and an honest record."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from headstart.core.access import Principal, Role
from headstart.core.refusals import Refusal
from headstart.identity.seals import Seals
from headstart.lab.chaos.sights import Sights, Word
from headstart.lab.chaos.wire import Answer, Message, NoAnswer, NotSent, Wire, listen
from headstart.lab.checkers import History, Plain

ATTEMPTS = (2, 4, 10)  # before somebody gives up without knowing
ATTEMPTS_MAX = 400  # of somebody who does not give up
PATIENCE_S = (1.0, 3.0, 6.0)  # with one attempt: some are shorter than a pause of a server
RETRY_S_MAX = 0.6
REFUSED_S_MAX = 0.1
REPEATED_LATE = 0.05  # how often a command that was answered arrives once more
REPEAT_S_MAX = 4.0
RECONNECT_S_MAX = 0.3
STREAM_S_MAX = 60.0
CLOCK_WATCHED_S = 0.02

NOT_TAKEN = "not_taken"  # nobody who decides anything has heard of it
PATHS = {
    "AcceptOffer": "acceptance",
    "DeclineOffer": "declination",
    "AskEveryone": "broadcast",
    "ExtendWindow": "extension",
    "AssignMechanic": "assignment",
    "CancelRequest": "cancellation",
    "ReleaseMatch": "release",
    "JoinSession": "arrival",
    "CompleteSession": "completion",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody signed in, and what proves it."""

    who: Principal
    token: str
    session: str

    @property
    def id(self) -> str:
        """As it is written."""
        return str(self.who.id)

    @property
    def headers(self) -> str:
        """Of a program."""
        return f"Authorization: Bearer {self.token}\r\n"

    @property
    def cookie(self) -> str:
        """Of a browser."""
        return f"Cookie: headstart_session={self.session}\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """The last attempt's answer, if there was one, and when it was made. ``doubtful`` when another
    attempt may have had an effect, or may have it yet."""

    answer: Answer | None
    doubtful: bool
    asked_s: float


@dataclass(slots=True)
class Town:
    """What everybody shares."""

    random: Random
    history: History
    wires: Sequence[Wire]
    till: Wire  # where the payment pages are
    seals: Seals
    began_s: float
    eager: bool
    honest_clocks: Callable[[int], bool]  # whether no server of this port ever had another time
    counts: Counter[str] = field(default_factory=Counter)
    booked: list[str] = field(default_factory=list)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    keys: int = 0
    doubtful: set[str] = field(default_factory=set)  # keys
    taken: set[str] = field(default_factory=set)  # likewise: somebody may have heard of them
    late_s: float = 0.0
    sights: Sights = field(default_factory=Sights)

    def now_s(self) -> float:
        """Seconds since the beginning, by the clock that the database reads, too."""
        return time.time() - self.began_s

    def chance(self, probability: float) -> bool:
        """What the seed decides."""
        return self.random.random() < probability

    def new_id(self) -> UUID:
        """An id that the seed decides."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def new_key(self) -> str:
        """What makes a repeat the same."""
        self.keys += 1
        return f"key-{self.keys}"

    def spawn(self, life: Coroutine[Any, Any, None]) -> None:
        """The same, when nobody waits for its end."""
        self.tasks.add(self.start(life))

    def start(self, life: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Something that goes on beside everything else; what it ends with is looked at."""
        task = asyncio.create_task(life)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.history.errors.append(f"somebody's life ended with {task.exception()!r}")

    async def watch_the_clock(self) -> None:
        """How late this machine is, at its worst, in doing anything at all."""
        while True:
            wanted_s = self.now_s() + CLOCK_WATCHED_S
            await asyncio.sleep(CLOCK_WATCHED_S)
            self.late_s = max(self.late_s, self.now_s() - wanted_s)

    async def pause(self, seconds_max: float) -> None:
        """For up to this long."""
        await asyncio.sleep(self.random.uniform(0, seconds_max))

    async def attempt(
        self, method: str, path: str, headers: str, body: Plain | None = None
    ) -> Answer:
        """At any server, which may be down, slow, or about to die."""
        self.counts["attempts"] += 1
        sent = b"" if body is None else json.dumps(body).encode()
        if sent:
            headers += "Content-Type: application/json\r\n"
        wire = self.random.choice(self.wires)
        patience_s = self.random.choice(PATIENCE_S)
        answer = await wire.ask(method, path, headers, sent, patience_s=patience_s)
        if answer.status == 500:
            self.history.errors.append(f"{method} {path}: {answer.body[:200]!r}")
        if answer.status == 401 and self.honest_clocks(answer.port):
            self.history.errors.append(f"{method} {path}: turned away by an honest clock")
        return answer

    async def insist(
        self,
        method: str,
        path: str,
        headers: str,
        body: Plain | None = None,
        attempts: int = ATTEMPTS_MAX,
    ) -> Reply:
        """Until somebody answers who could decide. What is sent must bear repeating."""
        doubtful, asked_s = False, self.now_s()
        for _ in range(attempts):
            asked_s = self.now_s()
            try:
                answer = await self.attempt(method, path, headers, body)
            except NotSent:
                self.counts["not sent"] += 1
                await self.pause(REFUSED_S_MAX)
                continue
            except NoAnswer:
                self.counts["no answer"] += 1
                doubtful = True
            else:
                if answer.status < 500 and answer.status != 401:
                    return Reply(answer, doubtful, asked_s)
                self.counts[f"answered {answer.status}"] += 1
                doubtful = doubtful or answer.status != 401
            await self.pause(RETRY_S_MAX)
        return Reply(None, doubtful, asked_s)

    # Commands

    async def order(
        self, person: Person, operation: str, request: str, mechanic: str | None = None
    ) -> str:
        """Give a command, with the same key until its outcome is known; ``mechanic`` is named
        where it is about somebody else."""
        order = (person, operation, request, self.new_key(), mechanic)
        outcome = await self._order(*order)
        if outcome in ("ok", "unknown") and self.chance(REPEATED_LATE):
            self.spawn(self._repeat(*order))
        return outcome

    async def _repeat(self, *order: Any) -> None:
        await self.pause(REPEAT_S_MAX)
        await self._order(*order)

    async def _order(
        self, person: Person, operation: str, request: str, key: str, mechanic: str | None
    ) -> str:
        said: Plain = {"reason": "chaos"} if person.who.role is Role.OPERATOR else {}
        record: Plain = {
            "who": person.id,
            "about": mechanic or person.id,
            "role": person.who.role.value,
            "operation": operation,
            "request": request,
            "key": f"{operation}:{person.id}:{key}",
            "called_s": self.now_s(),
            "outcome": "unknown",
            "detail": "",
        }
        self.history.operations.append(record)
        reply = await self.insist(
            "POST",
            f"/api/v1/session-requests/{request}/{PATHS[operation]}",
            f"{person.headers}Idempotency-Key: {key}\r\n",
            (said | {"mechanic_id": mechanic} if mechanic else said) or None,
            attempts=self.random.choice(ATTEMPTS),
        )
        record["answered_s"] = self.now_s()
        if reply.doubtful:
            self.doubtful.add(key)
        if reply.doubtful or reply.answer:
            self.taken.add(key)
        if reply.answer is not None:
            self._note(person.who, request, reply)
            record["outcome"] = "ok" if reply.answer.status == 200 else "fail"
            record["detail"] = reply.answer.json.get("code", "")
        elif key not in self.taken:
            record |= {"outcome": "fail", "detail": NOT_TAKEN}
        if record["outcome"] == "fail" and key in self.doubtful:
            self._keep_in_doubt(record, reply.asked_s)
        self.counts[record["outcome"]] += 1
        return str(record["outcome"])

    def _note(self, who: Principal, request: str, reply: Reply) -> None:
        """What the last attempt's answer says of the request."""
        assert reply.answer, "there is one"
        if reply.answer.status == 200:
            self.sights.see(who, reply.answer.json, "an answer to a command")
        elif (code := reply.answer.json.get("code")) in set(Refusal):
            slack_s, exists = self.history.terms["slack_s"], code != Refusal.UNKNOWN_REQUEST
            word = Word(who, request, reply.asked_s - slack_s, self.now_s() + slack_s, exists)
            self.sights.words.append(word)

    def _keep_in_doubt(self, record: Plain, asked_s: float) -> None:
        """This attempt was refused, and that has to be true; an earlier one, of which nobody knows,
        may still be under way and be carried out after all."""
        refused = {**record, "key": "", "called_s": asked_s}
        self.history.operations.append(refused)
        record |= {"outcome": "unknown", "detail": ""}


@dataclass(slots=True)
class Listener:
    """One person's stream: at one server until it breaks, then at another, from where it was."""

    town: Town
    person: Person
    heed: Callable[[Message], None]
    cursor: str = ""
    stream: Plain = field(default_factory=dict)

    async def listen(self) -> None:
        """Until the end of the round."""
        while True:
            with suppress(NotSent, NoAnswer, TimeoutError):
                async with asyncio.timeout(self.town.random.uniform(1.0, STREAM_S_MAX)):
                    await self._hear()
            self.town.counts["streams broken"] += 1
            await self.town.pause(RECONNECT_S_MAX)

    async def _hear(self) -> None:
        wire = self.town.random.choice(self.town.wires)
        headers = self.person.headers
        stream = listen(wire.port, headers, self.cursor, patience_s=PATIENCE_S[-1])
        async with aclosing(stream) as messages:
            async for message in messages:
                self._take(message)
                self.cursor = message.id or self.cursor

    def _take(self, message: Message) -> None:
        match message.event:
            case "ready":
                self._begin(message.id)
            case "resync":
                self.town.counts["streams begun anew"] += 1
                self.stream["until"] = self._place(self.cursor)
                self.stream = {}
                self._begin(message.id)
            case "snapshot":
                self._look_at(message.data)
                self.heed(message)
            case "heartbeat" | "" | "ended":  # the last by a clock that steps: come back elsewhere
                pass
            case _:
                self._receive(message)
                self.heed(message)

    def _look_at(self, snapshot: Plain) -> None:
        rows = [*snapshot.get("offers", ()), *snapshot.get("requests", ())]
        for row in [*rows, *filter(None, [snapshot.get("job")])]:
            self.town.sights.see(self.person.who, row, "a snapshot")

    def _place(self, sealed: str) -> tuple[int, int]:
        return self.town.seals.open(sealed)

    def _begin(self, sealed: str) -> None:
        if self.stream:
            return
        self.stream = {
            "who": self.person.id,
            "role": self.person.who.role.value,
            "from": self._place(sealed),
            "frames": [],
        }
        self.town.history.streams.append(self.stream)

    def _receive(self, message: Message) -> None:
        self.town.counts["frames"] += 1
        self.town.sights.see(self.person.who, message.data, message.event)
        self.stream["frames"].append(
            {
                "cursor": self._place(message.id),
                "event": message.event,
                "request": message.data["session_id"],
                "version": message.data["version"],
                "at_s": self.town.now_s(),
            }
        )
