"""Customers, mechanics and operators, with their habits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from headstart.app.feed import Frame
from headstart.app.fulfilment import request_id_of
from headstart.app.ports import CheckoutSession, Intake, Unavailable
from headstart.core import commands
from headstart.core.access import Principal, Role
from headstart.core.request import (
    Cancelled,
    Completed,
    CustomerId,
    IntakeId,
    MechanicId,
    RequestId,
    RoutingType,
    Unfilled,
)
from headstart.lab.simulation.database import seconds
from headstart.lab.simulation.stripe import Stripe
from headstart.lab.simulation.town import Listener, Town

BOOKING_SPREAD_S = 60.0
PAGES = (1, 1, 1, 1, 1, 1, 2)  # how many payment pages somebody opens
PLAN = "standard"
AMOUNT = 2999
OFFERS = ("priority_session_request", "new_request")
EAGER = ("soon", "soon", "late", "deadline", "twice", "no", "never")
LAZY = ("late", "deadline", "no", *["never"] * 20)


@dataclass(slots=True)
class Customer:
    """Books once, or in two windows at once, pays, and may lose patience."""

    town: Town
    stripe: Stripe
    id: CustomerId
    favorites: tuple[MechanicId, ...]
    strangers: tuple[MechanicId, ...]
    bought: dict[RequestId, IntakeId] = field(default_factory=dict)

    @property
    def who(self) -> Principal:
        """Signed in."""
        return Principal(Role.CUSTOMER, self.id)

    async def live(self) -> None:
        """One booking's life."""
        town = self.town
        town.spawn(Listener(town, self.who, self._heed).listen())
        await town.pause(BOOKING_SPREAD_S)
        pages = [self._book() for _ in range(town.random.choice(PAGES))]
        await asyncio.gather(*(self._buy(page, haste) for haste, page in enumerate(pages)))
        if town.chance(0.3) and not self._has_a_live_request():
            await self._buy(self._book(), 1)

    def _has_a_live_request(self) -> bool:
        """Who has one is not let through to another payment page."""
        requests = self.town.database.state.requests.values()
        ended = (Completed, Unfilled, Cancelled)
        mine = (one for one in requests if one.customer == self.id)
        return any(not isinstance(one.state, ended) for one in mine)

    def _heed(self, frame: Frame) -> None:
        """After the match only an operator can cancel; some call one at once."""
        if frame.event == "request_accepted" and self.town.chance(0.1):
            request_id = RequestId(UUID(frame.payload["session_id"]))
            self.town.spawn(self._call_an_operator(request_id))

    async def _call_an_operator(self, request_id: RequestId) -> None:
        """Who cancels; or returns the money by hand, and then takes the mechanic off the job."""
        operator = Principal(Role.OPERATOR, self.town.new_id())
        if self.town.chance(0.4):
            await self.town.order(operator, commands.CancelRequest(request_id, operator.actor))
            return
        self.stripe.return_by_hand(self.bought[request_id])
        await self.town.pause(8.0)
        await self.town.order(operator, commands.ReleaseMatch(request_id, None, operator.actor))

    def _book(self) -> Intake:
        """An intake with its payment page."""
        state, intake = self.town.database.state, self.stripe.open_page(self._intake())
        state.intakes[intake.id] = intake
        state.books.booked_at[intake.id] = self.town.database.now()
        return intake

    async def _buy(self, intake: Intake, after_others: int) -> None:
        """Pay, and wait; a second page in the same moment, or when the first seems forgotten."""
        if after_others:
            await self.town.pause(self.town.random.choice((0.5, 10.0)))
        page = self.stripe.pay(intake.id)
        if page is not None:
            request_id = request_id_of(intake.id, page.id)
            self.town.booked.append(request_id)
            self.bought[request_id] = intake.id
            await asyncio.gather(self._come_back_from_paying(page), self._interfere(request_id))

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

    async def _come_back_from_paying(self, checkout: CheckoutSession) -> None:
        """The success page asks, too, whether it was paid; nobody waits for its answer."""
        await self.town.pause(4.0)
        if self.town.chance(0.3):
            try:
                await self.town.ask(lambda node: node.fulfilment.settle(checkout.id))
            except Unavailable:
                return

    async def _interfere(self, request_id: RequestId) -> None:
        """Some give their favourite more time, some ask everyone, some cancel, most wait."""
        town = self.town
        if town.chance(0.25):
            await town.pause(8.0)
            for _ in range(town.random.choice((1, 2, 3))):
                await town.order(self.who, commands.ExtendWindow(request_id, self.who.actor))
        await town.pause(15.0)
        if town.chance(0.15):
            await town.order(self.who, commands.AskEveryone(request_id, self.who.actor))
        await town.pause(10.0)
        if town.chance(0.07):
            await town.order(self.who, commands.CancelRequest(request_id, self.who.actor))


@dataclass(slots=True)
class Mechanic:
    """Listens, answers in one of many ways, works, and goes on and off duty."""

    town: Town
    id: MechanicId

    @property
    def who(self) -> Principal:
        """Signed in."""
        return Principal(Role.MECHANIC, self.id)

    def live(self) -> None:
        """Until the end of the story."""
        self.town.spawn(Listener(self.town, self.who, self._heed).listen())
        self.town.spawn(self._come_and_go())
        self.town.spawn(self._pry())

    def _heed(self, frame: Frame) -> None:
        if frame.event in OFFERS:
            due = datetime.fromisoformat(frame.payload["due_at"])
            request_id = RequestId(UUID(frame.payload["session_id"]))
            self.town.spawn(self._answer(request_id, seconds(due)))

    async def _answer(self, request_id: RequestId, due_s: float) -> None:
        """At once, later, at the deadline to the millisecond, twice, or never."""
        town, habit = self.town, self.town.random.choice(self.town.habits)
        match habit:
            case "never":
                return
            case "no":
                await self._say_no(request_id)
                return
            case "deadline":
                left_s = due_s - town.now_s() + town.random.uniform(-0.05, 0.05)
                await asyncio.sleep(max(0.0, left_s))
            case "late":
                await town.pause(15.0)
            case _:
                await town.pause(3.0)
        if habit == "twice":
            town.spawn(self._accept(request_id))
        if town.chance(0.05):
            town.spawn(town.suspend(self.id, after_s_max=0.1, for_s_max=5.0))
        await self._accept(request_id)

    async def _say_no(self, request_id: RequestId) -> None:
        """And sometimes think better of it, in vain."""
        await self.town.pause(5.0)
        await self.town.order(self.who, commands.DeclineOffer(request_id, self.id, self.who.actor))
        if self.town.chance(0.3):
            await self._accept(request_id)

    async def _accept(self, request_id: RequestId) -> None:
        accept = commands.AcceptOffer(request_id, self.id, self.who.actor)
        if await self.town.order(self.who, accept) != "fail" or self.town.chance(0.1):
            await self._work(request_id)

    async def take_by_phone(self, operator: Principal, request_id: RequestId) -> None:
        """Agree to a request that an operator then assigns."""
        assign = commands.AssignMechanic(request_id, self.id, operator.actor)
        if await self.town.order(operator, assign) == "ok":
            self.town.spawn(self._work(request_id))

    async def _work(self, request_id: RequestId) -> None:
        """What a winner does, if they show up; some who did not win try it, too."""
        town = self.town
        if town.chance(0.1):
            return
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

    async def _pry(self) -> None:
        """Some answer what they were never asked: ids may be guessed."""
        while True:
            await self.town.pause(20.0)
            if self.town.booked:
                request_id = self.town.random.choice(self.town.booked[-8:])
                decline = commands.DeclineOffer(request_id, self.id, self.who.actor)
                if self.town.chance(0.5):
                    await self.town.order(self.who, decline)
                else:
                    await self._accept(request_id)

    async def _come_and_go(self) -> None:
        """Heartbeats while on duty."""
        town = self.town
        while True:
            since_s, stays_s = town.now_s(), town.random.uniform(1.0, 20.0)
            town.database.state.online_until_s[self.id] = since_s + stays_s
            town.history.presence.append((str(self.id), since_s, since_s + stays_s))
            await asyncio.sleep(stays_s + town.random.choice((0.0, 0.0, 8.0)))


async def operate(town: Town, mechanics: list[Mechanic]) -> None:
    """An operator suspends people and takes them back, loses patience for customers, or has it,
    and finds somebody by telephone."""
    operator = Principal(Role.OPERATOR, town.new_id())
    while True:
        await town.suspend(town.random.choice(mechanics).id, after_s_max=10.0, for_s_max=5.0)
        if town.booked:
            request_id = town.random.choice(town.booked[-4:])
            build = town.random.choice(
                (commands.AskEveryone, commands.ExtendWindow, commands.CancelRequest)
            )
            await town.order(operator, build(request_id, operator.actor))
            await town.random.choice(mechanics).take_by_phone(operator, town.booked[-1])
