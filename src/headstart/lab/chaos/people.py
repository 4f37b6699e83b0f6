"""Customers, mechanics and an operator, with their habits, over HTTP."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from headstart.app.flags import FAVORITES_PRIORITY
from headstart.app.fulfilment import request_id_of
from headstart.core.request import IntakeId
from headstart.lab.chaos.town import Listener, Person, Town
from headstart.lab.chaos.wire import Message, NoAnswer, NotSent
from headstart.lab.checkers import Plain

PLANS = ("micro", "quick", "standard", "diagnostic")
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
PAY_PATIENCE_S = 10.0
PRESSES_MAX = 20
HEARTBEAT_S = 4.0
OFFERS = ("priority_session_request", "new_request")
FAVOURED = ("soon", "soon", "late", "deadline", "twice", "no", "never")
EAGER = ("soon", "soon", "twice", "late", "no")
LAZY = ("late", "deadline", "no")
ANSWERS_EACH = 2.5  # of all mechanics together, to one broadcast


@dataclass(slots=True)
class Customer:
    """Books once, pays, and may lose patience. Times are parts of the overall limit."""

    town: Town
    person: Person
    favorites: Sequence[str]
    strangers: Sequence[str]
    listens: bool

    async def live(self) -> None:
        """From the intake to the payment; what comes then goes on by itself."""
        town = self.town
        if self.listens:
            town.spawn(Listener(town, self.person, lambda _: None).listen())
        key = town.new_key()
        headers = f"{self.person.headers}Idempotency-Key: {key}\r\n"
        reply = await town.insist("POST", "/api/v1/intakes", headers, self._booking())
        answer = reply.answer
        if answer is None or answer.status != 201:
            town.history.errors.append(f"no intake: {answer}")
            return
        booked = answer.json
        page = booked["checkout_url"].partition("//")[2].partition("/")[2]
        checkout = page.rpartition("/")[2]
        town.history.payments.append({"checkout": checkout, "acknowledged": False})
        await self._pay(f"/{page}")
        request = str(request_id_of(IntakeId(UUID(booked["intake_id"])), checkout))
        town.booked.append(request)
        town.spawn(self._come_back_from_paying(checkout))
        town.spawn(self._interfere(request))

    async def _pay(self, page: str) -> None:
        """Press the button, and once more when nothing seems to happen: that charges nobody
        twice."""
        for _ in range(PRESSES_MAX):
            with suppress(NotSent, NoAnswer):
                pressed = await self.town.till.ask(
                    "POST", page, FORM, b"action=pay", patience_s=PAY_PATIENCE_S
                )
                assert pressed.status == 303, f"not paid: {pressed.status}"
                self.town.counts["paid"] += 1
                return
        raise AssertionError("the payment page does not answer")

    def _booking(self) -> Plain:
        town = self.town
        wanted = self.favorites if town.chance(0.9) else self.strangers
        preferred = list(wanted[: town.random.choice((0, 1, 1, 1, 2, 3))])
        booking: Plain = {"plan": town.random.choice(PLANS), "concern": "It squeaks."}
        if preferred:
            booking["preferred_mechanic_ids"] = preferred
            asks = town.chance(0.95)
            booking["routing_type"] = "priority_broadcast" if asks else "broadcast"
        return booking

    async def _come_back_from_paying(self, checkout: str) -> None:
        """The success page asks, too, whether it was paid; nobody waits for its answer."""
        if self.town.chance(0.25):
            await self.town.pause(1.0)
            path = f"/intake/success?session_id={checkout}"
            try:
                await self.town.attempt("GET", path, self.person.cookie)
            except (NotSent, NoAnswer):
                return

    async def _interfere(self, request: str) -> None:
        """Some give their favourite more time, some ask everyone, some cancel, most wait."""
        town, limit_s = self.town, self.town.history.terms["overall_limit_s"]
        if town.chance(0.15):
            await town.pause(town.history.terms["window_s"])
            await town.order(self.person, "ExtendWindow", request)
        if town.chance(0.1):
            await town.pause(limit_s / 3)
            await town.order(self.person, "AskEveryone", request)
        if town.chance(0.06):
            await town.pause(limit_s / 2)
            await town.order(self.person, "CancelRequest", request)


@dataclass(slots=True)
class Mechanic:
    """Listens, answers in one of many ways, works, and goes on and off duty."""

    town: Town
    person: Person
    colleagues: int
    jobs: set[str] = field(default_factory=set)

    def live(self) -> None:
        """Until the end of the round."""
        self.town.spawn(Listener(self.town, self.person, self._heed).listen())
        self.town.spawn(self._come_and_go())
        self.town.spawn(self._pry())

    def _heed(self, message: Message) -> None:
        told = message.data
        if message.event == "snapshot":
            self._resume(told.get("job"))
        elif message.event == "priority_session_request":
            self._answer_some(told, FAVOURED, 1.0)
        elif message.event == "new_request" and not self.jobs:
            habits = EAGER if self.town.eager else LAZY
            self._answer_some(told, habits, ANSWERS_EACH / self.colleagues)

    def _resume(self, job: Any) -> None:
        """The screen shows a job that was won without an answer."""
        if job and job["session_id"] not in self.jobs:
            self.town.spawn(self.work(job["session_id"]))

    def _answer_some(self, told: Plain, habits: Sequence[str], share: float) -> None:
        if self.town.chance(share):
            due_s = datetime.fromisoformat(told["due_at"]).timestamp() - self.town.began_s
            habit = self.town.random.choice(habits)
            self.town.spawn(self._answer(told["session_id"], due_s, habit))

    async def _answer(self, request: str, due_s: float, habit: str) -> None:
        """At once, later, at the deadline to the millisecond, twice, or never."""
        town, window_s = self.town, self.town.history.terms["window_s"]
        match habit:
            case "never":
                return
            case "no":
                await town.pause(window_s / 2)
                await town.order(self.person, "DeclineOffer", request)
                if town.chance(0.7):
                    return
            case "deadline":
                early_s = town.random.uniform(-0.05, 0.05)
                await asyncio.sleep(max(0.0, due_s - town.now_s() + early_s))
            case "late":
                await town.pause(2.5 * window_s)
            case _:
                await town.pause(window_s / 3)
        if habit == "twice":
            town.spawn(self._accept(request))
        await self._accept(request)

    async def _accept(self, request: str) -> None:
        outcome = await self.town.order(self.person, "AcceptOffer", request)
        if outcome != "fail" or self.town.chance(0.03):
            await self.work(request)

    async def work(self, request: str) -> None:
        """What a winner does, if they show up; some who did not win try it, too."""
        town, join_limit_s = self.town, self.town.history.terms["join_limit_s"]
        if request in self.jobs or (join_limit_s and town.chance(0.1)):
            return
        self.jobs.add(request)
        try:
            await town.pause(0.8)
            if join_limit_s and town.chance(0.5):
                await town.order(self.person, "JoinSession", request)
                await town.pause(0.5)
            operation = "ReleaseMatch" if town.chance(0.07) else "CompleteSession"
            await town.order(self.person, operation, request)
        finally:
            self.jobs.discard(request)

    async def _pry(self) -> None:
        """Some answer what they were never asked: ids may be guessed."""
        while True:
            await self.town.pause(20.0)
            if self.town.booked:
                request = self.town.random.choice(self.town.booked[-8:])
                operation = self.town.random.choice(("DeclineOffer", "AcceptOffer"))
                await self.town.order(self.person, operation, request)

    async def _come_and_go(self) -> None:
        """Heartbeats while on duty; some leave with a word, some without."""
        town = self.town
        while True:
            for _ in range(town.random.randint(1, 8)):
                await self._tell_presence(on_duty=True)
                await asyncio.sleep(HEARTBEAT_S * town.random.uniform(0.5, 1.0))
            if town.chance(0.5):
                await self._tell_presence(on_duty=False)
            await town.pause(2.5 * HEARTBEAT_S)

    async def _tell_presence(self, *, on_duty: bool) -> None:
        headers, told = self.person.headers, {"on_duty": on_duty}
        await self.town.insist("PUT", "/api/v1/presence", headers, told, attempts=4)


@dataclass(slots=True)
class Operator:
    """Suspends people and takes them back, steers for customers, and flips the flag."""

    town: Town
    person: Person
    mechanics: Sequence[Mechanic]
    flips: bool

    async def live(self) -> None:
        """Until the faults end."""
        if self.flips:
            self.town.spawn(self._flip())
        while True:
            await self.town.pause(6.0)
            mechanic = self.town.random.choice(self.mechanics).person
            await self._set_status(mechanic, "suspended")
            await self.town.pause(3.0)
            await self._set_status(mechanic, "approved")
            if self.town.booked:
                request = self.town.random.choice(self.town.booked[-4:])
                steer = self.town.random.choice(("AskEveryone", "ExtendWindow"))
                await self.town.order(self.person, steer, request)
                await self._assign(self.town.booked[-1])

    async def _assign(self, request: str) -> None:
        """Somebody has agreed by telephone, and comes."""
        mechanic = self.town.random.choice(self.mechanics)
        person = mechanic.person.id
        if await self.town.order(self.person, "AssignMechanic", request, person) == "ok":
            self.town.spawn(mechanic.work(request))

    async def tidy_up(self) -> None:
        """Nobody stays suspended, when the faults have ended."""
        for mechanic in self.mechanics:
            await self._set_status(mechanic.person, "approved")

    async def _set_status(self, mechanic: Person, status: str) -> None:
        path = f"/api/v1/mechanics/{mechanic.id}"
        known = {"name": "Somebody", "status": status, "reason": "chaos"}
        await self.town.insist("PUT", path, self.person.headers, known)

    async def _flip(self) -> None:
        enabled = True
        while True:
            await self.town.pause(15.0)
            enabled = not enabled
            path = f"/api/v1/flags/{FAVORITES_PRIORITY}"
            wanted = {"enabled": enabled, "reason": "chaos"}
            await self.town.insist("PUT", path, self.person.headers, wanted)
