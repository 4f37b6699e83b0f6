"""Customers, mechanics, operators and the payment service, with their habits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from uuid import UUID

from headstart.app.dispatcher import Contended, Done
from headstart.app.feed import Frame
from headstart.app.fulfilment import request_id_of
from headstart.app.ports import CheckoutSession, Cursor, Intake, PaymentEvent, Unavailable
from headstart.core import commands
from headstart.core.access import Principal, Role
from headstart.core.request import CustomerId, IntakeId, MechanicId, RequestId, RoutingType
from headstart.lab.simulation.database import EPOCH, ModelDatabase
from headstart.lab.simulation.history import History, Plain
from headstart.lab.simulation.nodes import Node

ATTEMPTS_MAX = 8
BOOKING_SPREAD_S = 25.0
PLAN = "standard"
AMOUNT = 2999


@dataclass(slots=True)
class Town:
    """What everybody shares."""

    random: Random
    database: ModelDatabase
    nodes: list[Node]
    history: History = field(default_factory=History)
    keys: int = 0

    def now_s(self) -> float:
        """Seconds since the beginning."""
        return asyncio.get_running_loop().time()

    def chance(self, probability: float) -> bool:
        """What the seed decides."""
        return self.random.random() < probability

    def new_id(self) -> UUID:
        """An id that the seed decides."""
        return UUID(int=self.random.getrandbits(128), version=4)

    async def pause(self, seconds_max: float) -> None:
        """For up to this long."""
        await asyncio.sleep(self.random.uniform(0, seconds_max))

    async def order(self, who: Principal, command: commands.Command) -> str:
        """Give a command, with the same key until its outcome is known; keep an honest record."""
        self.keys += 1
        record: Plain = {
            "who": str(who.id),
            "operation": type(command).__name__,
            "request": str(command.request_id),
            "key": f"key-{self.keys}",
            "called_s": self.now_s(),
            "outcome": "unknown",
            "detail": "",
        }
        self.history.operations.append(record)
        for _ in range(ATTEMPTS_MAX):
            node = self.random.choice(self.nodes)
            try:
                outcome = await node.serve(
                    node.dispatcher.execute(command, who=who, command_key=record["key"])
                    if node.alive
                    else _nobody()
                )
            except (Unavailable, Contended):
                await self.pause(1.0)
                continue
            known = isinstance(outcome, Done)
            record["outcome"] = "ok" if known else "fail"
            record["detail"] = "" if isinstance(outcome, Done) else outcome.value
            break
        record["answered_s"] = self.now_s()
        return str(record["outcome"])


async def _nobody() -> Done:
    raise Unavailable("nobody answers")


@dataclass(slots=True)
class Customer:
    """Books once, pays, and may lose patience."""

    town: Town
    id: CustomerId
    favorites: tuple[MechanicId, ...]
    strangers: tuple[MechanicId, ...]

    async def live(self) -> None:
        """One booking's life."""
        town = self.town
        await town.pause(BOOKING_SPREAD_S)
        intake = self._intake()
        town.database.state.intakes[intake.id] = intake
        checkout = f"cs_{intake.id}"
        request_id = request_id_of(intake.id, checkout)
        payment: Plain = {"request": str(request_id), "acknowledged": False}
        town.history.payments.append(payment)
        await asyncio.gather(
            *(self._report_payment(intake, checkout, payment, n) for n in range(self._copies())),
            self._interfere(request_id),
        )

    def _copies(self) -> int:
        return self.town.random.choice((1, 1, 2, 3))

    def _intake(self) -> Intake:
        wanted = self.favorites if self.town.chance(0.85) else self.strangers
        preferred = wanted[: self.town.random.randint(0, len(wanted))]
        asks = preferred and self.town.chance(0.95)
        return Intake(
            id=IntakeId(self.town.new_id()),
            customer=self.id,
            plan_code=PLAN,
            amount=AMOUNT,
            currency="cad",
            routing_type=RoutingType.PRIORITY_BROADCAST if asks else RoutingType.BROADCAST,
            preferred=preferred,
            specialist=False,
            urgent=False,
            concern="",
            vehicle="",
            contact_email="",
            contact_phone="",
            fingerprint="",
        )

    async def _report_payment(
        self, intake: Intake, checkout: str, payment: Plain, copy: int
    ) -> None:
        """Stripe: repeats until acknowledged, in any order, sometimes under another event id."""
        town = self.town
        event_id = f"evt_{intake.id}" + (f"_{copy}" if town.chance(0.5) else "")
        event = _paid(event_id, intake, checkout)
        while True:
            await town.pause(4.0)
            if copy == 0 and town.chance(0.1):
                continue  # this attempt was lost on the way
            node = town.random.choice(town.nodes)
            try:
                await node.serve(node.fulfilment.receive(event) if node.alive else _nobody())
            except Unavailable:
                continue
            payment["acknowledged"] = True
            return

    async def _interfere(self, request_id: RequestId) -> None:
        """Some ask everyone, some cancel, most wait."""
        who = Principal(Role.CUSTOMER, self.id)
        await self.town.pause(20.0)
        if self.town.chance(0.1):
            await self.town.order(who, commands.AskEveryone(request_id, who.actor))
        await self.town.pause(10.0)
        if self.town.chance(0.07):
            await self.town.order(who, commands.CancelRequest(request_id, who.actor))


def _paid(event_id: str, intake: Intake, checkout: str) -> PaymentEvent:
    session = CheckoutSession(
        id=checkout,
        url=None,
        status="complete",
        payment_status="paid",
        amount_total=AMOUNT,
        currency="cad",
        payment_intent_id=f"pi_{intake.id}",
        metadata={},
        client_reference_id=str(intake.id),
        livemode=False,
        expires_at=EPOCH,
    )
    kind = "checkout.session.completed"
    return PaymentEvent(event_id, kind, checkout, False, None, None, session)


@dataclass(slots=True)
class Mechanic:
    """Listens, answers in one of many ways, works, and goes on and off duty."""

    town: Town
    id: MechanicId
    cursor: Cursor | None = None
    answering: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def who(self) -> Principal:
        """Signed in."""
        return Principal(Role.MECHANIC, self.id)

    async def listen(self) -> None:
        """On one node's stream until it is cut, then on another's, from where it was."""
        while True:
            node = self.town.random.choice(self.town.nodes)
            try:
                if node.alive:
                    await node.serve(self._hear(node))
            except Unavailable:
                pass
            await self.town.pause(0.5)

    async def _hear(self, node: Node) -> None:
        await node.feed.started.wait()
        with node.feed.subscribe(self.who) as subscription:
            sent = await node.feed.place()
            if self.cursor is not None:
                async for frame in node.feed.replay(self.who, self.cursor):
                    sent = max(sent, frame.cursor)
                    self._receive(frame)
            else:
                self.cursor = sent
                self.town.history.frames.append({"who": str(self.id), "from": _place(sent)})
            while True:
                frame = await subscription.next()
                if frame.cursor > sent:
                    self._receive(frame)

    def _receive(self, frame: Frame) -> None:
        self.cursor = frame.cursor
        self.town.history.frames.append(
            {
                "who": str(self.id),
                "cursor": _place(frame.cursor),
                "event": frame.event,
                "request": frame.payload["session_id"],
                "version": frame.payload["version"],
                "at_s": self.town.now_s(),
            }
        )
        if frame.event in ("priority_session_request", "new_request"):
            due = datetime.fromisoformat(frame.payload["due_at"])
            task = asyncio.create_task(
                self._answer(RequestId(UUID(frame.payload["session_id"])), due)
            )
            self.answering.add(task)
            task.add_done_callback(self.answering.discard)

    async def _answer(self, request_id: RequestId, due: datetime) -> None:
        """At once, later, at the deadline to the millisecond, twice, or never."""
        town = self.town
        habit = town.random.choice(("soon", "soon", "late", "deadline", "twice", "no", "never"))
        accept = commands.AcceptOffer(request_id, self.id, self.who.actor)
        match habit:
            case "never":
                return
            case "no":
                await town.pause(5.0)
                decline = commands.DeclineOffer(request_id, self.id, self.who.actor)
                await town.order(self.who, decline)
                if town.chance(0.3):
                    await town.order(self.who, accept)
                return
            case "deadline":
                left_s = (due - EPOCH).total_seconds() - town.now_s()
                await asyncio.sleep(max(0.0, left_s + town.random.uniform(-0.05, 0.05)))
            case "late":
                await town.pause(15.0)
            case _:
                await town.pause(3.0)
        if habit == "twice":
            await asyncio.gather(town.order(self.who, accept), town.order(self.who, accept))
        else:
            await town.order(self.who, accept)
        await self._work(request_id)

    async def _work(self, request_id: RequestId) -> None:
        """What a winner does; for everybody else these are refused."""
        town = self.town
        await town.pause(6.0)
        build: Callable[..., commands.Command] = town.random.choice(
            (
                commands.CompleteSession,
                commands.CompleteSession,
                commands.ReleaseMatch,
                commands.JoinSession,
            )
        )
        await town.order(self.who, build(request_id, self.id, self.who.actor))
        if build is commands.JoinSession:
            await town.pause(6.0)
            done = commands.CompleteSession(request_id, self.id, self.who.actor)
            await town.order(self.who, done)

    async def come_and_go(self) -> None:
        """Heartbeats while on duty."""
        online_until = self.town.database.state.online_until
        while True:
            stays_s = self.town.random.uniform(1.0, 20.0)
            online_until[self.id] = self.town.now_s() + stays_s
            await asyncio.sleep(stays_s + self.town.random.choice((0.0, 0.0, 8.0)))


def _place(cursor: Cursor) -> tuple[int, int]:
    return cursor.xid, cursor.id
