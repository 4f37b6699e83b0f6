"""Two databases, two actors, a few people, and whatever Hypothesis makes of them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from headstart.app.flags import FAVORITES_PRIORITY
from headstart.app.ports import Change, Cursor, Intake, PaymentEvent, Seen
from headstart.core import commands
from headstart.core.commands import Actor
from headstart.core.decide import decide
from headstart.core.evolve import evolve
from headstart.core.policy import OfflinePolicy, Policy
from headstart.core.refusals import Refusal
from headstart.core.request import (
    ChainStep,
    CustomerId,
    IntakeId,
    Matched,
    MechanicId,
    RequestId,
    Reserved,
    RoutingType,
)
from headstart.lab.simulation.database import EPOCH
from tests.store.booking import POLICY, WINDOW, mechanic_actor
from tests.store.circumstances import Circumstances
from tests.store.twins import ACTORS, BYSTANDER, Model, Original, Twins, canonical, short

PAID_MAX = 3  # and then there is more to be done than to book
PAGES_MAX = 1_000

MECHANICS = [MechanicId(uuid5(NAMESPACE_OID, f"mechanic {number}")) for number in range(3)]
CUSTOMERS = [CustomerId(uuid5(NAMESPACE_OID, f"customer {number}")) for number in range(2)]
WAITS = (timedelta(minutes=0.5), timedelta(minutes=2), timedelta(minutes=10))
CIRCUMSTANCES = (
    *("suspended", "approved", "on_duty", "off_duty", "on_duty", "liked", "forgotten", "switched"),
)
Wish = tuple[CustomerId, list[MechanicId], Policy, bool]

actors = st.sampled_from(ACTORS)
mechanics = st.sampled_from(MECHANICS)
anybody = st.sampled_from([None, None, *MECHANICS])
customers = st.sampled_from(CUSTOMERS)
keys = st.sampled_from([None, None, "a", "b"])
limits = st.sampled_from([1, 2, 100])
seldom = st.sampled_from([False] * 4 + [True])
policies = st.builds(
    lambda offline, join: replace(POLICY, offline=offline, join_limit=join),
    st.sampled_from(list(OfflinePolicy)),
    st.sampled_from([None, timedelta(minutes=1)]),
)
orders = st.sampled_from(
    [
        *[commands.AcceptOffer] * 4,
        *(commands.DeclineOffer, commands.ReleaseMatch, commands.JoinSession),
        *(commands.CompleteSession, commands.CancelRequest, commands.AskEveryone),
        *(commands.ExtendWindow, commands.AssignMechanic),
        *(commands.EnforceDeadline, commands.ReviewReservation),
    ]
)
wishes = st.tuples(customers, st.lists(mechanics, unique=True, max_size=2), policies, seldom)
nobody_waits = precondition(lambda self: not self.twins.waiting)


class Databases(RuleBasedStateMachine):
    """Whatever is asked of both must be answered the same."""

    bookings = Bundle("bookings")  # perhaps not paid yet
    requests = Bundle("requests")  # perhaps rolled back

    def __init__(self, runner: asyncio.Runner, postgresql: Original, answers: Counter[str]) -> None:
        super().__init__()
        self.runner = runner
        self.ids: list[RequestId] = []
        self.read: tuple[list[Any], list[Any]] = ([], [])
        self.places = [Cursor(), Cursor()]
        self.paid = 0
        self.run(postgresql.empty(CUSTOMERS, MECHANICS))
        self.twins = self.run(self.make(postgresql, answers))
        self.circumstances = Circumstances(self.twins.original, self.twins.model)

    async def make(self, postgresql: Original, answers: Counter[str]) -> Twins:
        plans = await postgresql.sessions[BYSTANDER].store.plans()
        return Twins(postgresql, Model(plans, CUSTOMERS, MECHANICS), answers)

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def ask(self, actor: str, name: str, *args: Any, **named: Any) -> Any:
        """One question of one actor to both; None if they have to wait."""
        told = ", ".join([*map(short, args), *(f"{key}={short(named[key])}" for key in named)])

        def put(store: Any) -> Any:
            port = store.requests if hasattr(type(store.requests), name) else store
            return getattr(port, name)(*args, **named)

        return self.run(self.twins.ask(actor, f"{name}({told})", put))

    # --- requests ------------------------------------------------------------------------

    @initialize(target=requests, asked=st.lists(wishes, min_size=2, max_size=4))
    def begin_with_some(self, asked: list[Wish]) -> Any:
        booked = [self.book(*wish) for wish in asked]
        for booking in booked:
            self.create(BYSTANDER, booking)
        return multiple(*booked)

    @initialize(target=bookings, wish=wishes)
    def book_one_more(self, wish: Wish) -> Any:
        booked = self.book(*wish)
        return multiple(booked, replace(booked, request_id=self.new_id()))  # paid once, told twice

    def book(
        self, customer: CustomerId, chain: list[MechanicId], policy: Policy, free: bool
    ) -> commands.RequestSession:
        number = len(self.ids)
        intake = _intake(number, customer, chain)
        self.ask(BYSTANDER, "keep", intake, None, timedelta(minutes=30))
        payment = commands.Payment() if free else commands.Payment(f"cs_{number}", f"pi_{number}")
        return commands.RequestSession(
            request_id=self.new_id(),
            customer=customer,
            intake=intake.id,
            plan="standard",
            payment=payment,
            routing_type=intake.routing_type,
            chain=tuple(ChainStep(one, WINDOW) for one in chain),
            policy=policy,
        )

    def new_id(self) -> RequestId:
        self.ids.append(RequestId(uuid5(NAMESPACE_OID, f"request {len(self.ids)}")))
        return self.ids[-1]

    @nobody_waits
    @precondition(lambda self: self.paid < PAID_MAX)
    @rule(target=requests, actor=actors, booking=bookings)
    def pay(self, actor: str, booking: commands.RequestSession) -> commands.RequestSession:
        self.paid += 1
        self.create(actor, booking)
        return booking

    def create(self, actor: str, booking: commands.RequestSession) -> None:
        self.move_on(timedelta(milliseconds=1))  # of two deadlines in one instant, any comes first
        concerned = [step.mechanic for step in booking.chain]
        seen = self.ask(actor, "see_facts", booking.customer, concerned)
        change = _judge(seen, booking, None)
        assert change is not None
        self.ask(actor, "create", change)

    @nobody_waits
    @rule(
        wants=st.lists(st.tuples(actors, requests, orders, anybody, keys), min_size=1, max_size=4),
        suspended=seldom,
        together=seldom,
    )
    def race(self, wants: list[Any], suspended: bool, together: bool) -> None:
        """All judge before the first one writes; and some judged right, and are suspended."""
        judged = [(actor, self.judge(actor, *want)) for actor, *want in wants]
        changes = [(actor, change) for actor, change in judged if change]
        if suspended and changes:
            won = getattr(changes[0][1].request.state, "mechanic", MECHANICS[0])
            self.circumstances_change(won, CUSTOMERS[0], "suspended")
        if together:
            self.write_together(changes)
        for actor, change in changes:
            if not self.twins.waiting and self.twins.is_promised(actor, change):
                self.ask(actor, "write", [change])

    @nobody_waits
    @rule(accepts=st.lists(st.tuples(actors, requests), min_size=2, max_size=3), by=mechanics)
    def want_two_jobs(self, accepts: list[Any], by: MechanicId) -> None:
        self.race([(*one, commands.AcceptOffer, by, None) for one in accepts], False, False)

    def write_together(self, changes: list[tuple[str, Change]]) -> None:
        """As sweeps do, who make no matches, and have no keys."""
        plain = [one for _, one in changes if not one.command_key and not _wins(one)]
        several = {change.request.id: change for change in plain}
        if several:
            self.ask(changes[0][0], "write", [several[one] for one in sorted(several)])

    @nobody_waits
    @rule(
        sweepers=st.permutations(ACTORS),
        until=st.sampled_from(["due", "due", "just before", "now"]),
        unfit=st.booleans(),
        limit=limits,
        acts=st.booleans(),
    )
    def sweep(self, sweepers: list[str], until: str, unfit: bool, limit: int, acts: bool) -> None:
        """Both claim; one goes on as the deadlines do, or does not yet."""
        self.wait_until(until)
        if unfit and until == "now":
            self.suspend_a_favourite()
        if not (unfit or self.twins.model.deadlines_differ()):
            return
        for actor in sweepers:
            if not self.twins.depth(actor):
                self.run(self.twins.begin(actor))
        claim = "claim_unfit" if unfit else "claim_due"
        claimed = [self.ask(actor, claim, limit) for actor in sweepers]
        if claimed[0] and acts:
            order = commands.ReviewReservation if unfit else commands.EnforceDeadline
            seen = self.ask(sweepers[0], "see", claimed[0])
            changes = [_judge(one, order(one.request.id), None) for one in seen]
            if written := [change for change in changes if change]:
                self.ask(sweepers[0], "write", written)

    def judge(
        self, actor: str, booking: Any, order: Any, whom: MechanicId | None, key: str | None
    ) -> Change | None:
        """``whom`` is None for the one whom it concerns."""
        concerned = [] if whom is None else [whom]
        seen = self.ask(actor, "see", [booking.request_id], concerned=concerned, command_key=key)
        if not seen:
            return None
        concerns: MechanicId = getattr(seen[0].request.state, "mechanic", MECHANICS[0])
        mechanic = whom or concerns
        customer = seen[0].request.customer
        by_mechanic = order is not commands.CancelRequest
        by_whom = mechanic_actor(mechanic) if by_mechanic else Actor("customer", str(customer))
        takes = "mechanic" in order.__dataclass_fields__
        command = order(booking.request_id, *([mechanic] if takes else []), by_whom)
        return _judge(seen[0], command, key)

    # --- transactions --------------------------------------------------------------------

    @precondition(lambda self: not self.twins.waiting and self.twins.can_begin())
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.run(self.twins.begin(data.draw(st.sampled_from(self.twins.can_begin()))))

    @precondition(lambda self: self.twins.can_end())
    @rule(data=st.data(), commit=st.sampled_from([True, True, False]))
    def end(self, data: st.DataObject, commit: bool) -> None:
        actor = data.draw(st.sampled_from(self.twins.can_end()))
        self.run(self.twins.end(actor, commit=commit))

    # --- payments ------------------------------------------------------------------------

    @nobody_waits
    @rule(
        actor=actors,
        booking=st.one_of(bookings, requests),
        event=st.sampled_from(["evt_1", "evt_2"]),
        outcome=st.sampled_from([None, "fulfilled", "quarantined_amount"]),
        status=st.sampled_from([None, "paid", "expired"]),
    )
    def hear_of_a_payment(
        self, actor: str, booking: Any, event: str, outcome: str | None, status: str | None
    ) -> None:
        """What the fulfilment asks, or a part of it, and in an order of its own."""
        kind = "checkout.session.completed"
        told = PaymentEvent(event, kind, None, False, None, None, None)
        self.ask(
            actor, *(("conclude_receipt", event, outcome) if outcome else ("first_receipt", told))
        )
        if status and not self.twins.waiting:
            self.ask(actor, "conclude", booking.intake, status)
        if not self.twins.waiting:
            self.ask(actor, "intake", booking.intake)

    # --- people and time -----------------------------------------------------------------

    @rule(mechanic=mechanics, customer=customers, what=st.sampled_from(CIRCUMSTANCES))
    def circumstances_change(self, mechanic: MechanicId, customer: CustomerId, what: str) -> None:
        self.tell(f"{what}: {short(mechanic)} {short(customer)}")
        self.run(getattr(self.circumstances, what)(mechanic, customer))

    def suspend_a_favourite(self) -> None:
        states = [row.state for row in self.twins.model.state.requests.values()]
        held = [state.mechanic for state in states if isinstance(state, Reserved)]
        if held:
            self.circumstances_change(held[0], CUSTOMERS[0], "suspended")

    @rule(by=st.sampled_from(WAITS))
    def wait(self, by: timedelta) -> None:
        self.move_on(by)

    def wait_until(self, when: str) -> None:
        due = min(self.twins.model.state.due.values(), default=None)
        if due is not None and when != "now":
            early = timedelta(microseconds=0 if when == "due" else 1)
            self.move_on(max(timedelta(0), due - EPOCH - self.circumstances.now - early))

    def move_on(self, by: timedelta) -> None:
        self.run(self.circumstances.later(by))
        self.tell(f"it is {self.circumstances.now}")

    def tell(self, sentence: str) -> None:
        self.twins.story.append(sentence)

    # --- what everybody sees -------------------------------------------------------------

    def read_on(self, limit: int) -> int:
        """A reader of the log, from where they were."""
        pages = [
            self.run(log.after(place, limit))
            for log, place in zip(self.logs(), self.places, strict=True)
        ]
        self.twins.must_agree(f"after, {limit}", *map(canonical, pages))
        for side, page in enumerate(pages):
            self.read[side].extend(canonical(page))
            self.places[side] = page[-1].cursor if page else self.places[side]
        return len(pages[0])

    def logs(self) -> tuple[Any, Any]:
        return self.twins.original.log, self.twins.model.log

    @invariant()
    def a_bystander_sees_the_same(self) -> None:
        self.look("see", lambda store, log: store.requests.see(self.ids))
        self.look("after", lambda store, log: log.after(Cursor(), PAGES_MAX))

    @rule(limit=st.sampled_from([1, 3, 100]))
    def a_bystander_looks_closely(self, limit: int) -> None:
        self.read_on(limit)
        self.look("end", lambda store, log: _read_by_then(log))
        self.look("stall_s", lambda store, log: log.stall_s())
        self.look("next_due_s", lambda store, log: store.requests.next_due_s())
        self.look("flag", lambda store, log: store.flag(FAVORITES_PRIORITY))
        self.look("approved", lambda store, log: log.approved(MECHANICS))
        self.look("unapproved", lambda store, log: log.unapproved())

    def look(self, called: str, ask: Callable[[Any, Any], Any]) -> None:
        sides = (self.twins.original, self.twins.model)
        saw = [self.run(ask(side.sessions[BYSTANDER].store, side.log)) for side in sides]
        self.twins.must_agree(f"{BYSTANDER}: {called}", *map(canonical, saw))

    def teardown(self) -> None:
        """Whoever reads page by page has read everything, once, and in order."""
        try:
            self.run(self.twins.give_up())
        finally:
            self.run(self.twins.abandon())
        if not self.twins.differed:
            self.a_bystander_sees_the_same()
            self.a_bystander_looks_closely(3)
            while self.read_on(3):
                pass
            everything = canonical(self.run(self.twins.original.log.after(Cursor(), PAGES_MAX)))
            plain = [[replace(one, read_at=EPOCH) for one in read] for read in self.read]
            everything = [replace(one, read_at=EPOCH) for one in everything]
            assert plain == [everything, everything]


async def _read_by_then(log: Any) -> int:
    """A place as the number of events before it."""
    end = await log.end()
    return sum(one.cursor <= end for one in await log.after(Cursor(), PAGES_MAX))


def _wins(change: Change) -> bool:
    return isinstance(change.request.state, Matched)


def _judge(seen: Seen, command: commands.Command, key: str | None) -> Change | None:
    """None when nothing is to be written."""
    events = decide(seen.request, command, seen.facts, now=seen.now)
    if isinstance(events, Refusal) or not events:
        return None
    after = evolve(command.request_id, seen.request, events, at=seen.now)
    return Change(seen.request, after, events, seen.now, command.actor, key)


def _intake(number: int, customer: CustomerId, chain: Sequence[MechanicId]) -> Intake:
    return Intake(
        id=IntakeId(uuid5(NAMESPACE_OID, f"intake {number}")),
        customer=customer,
        plan_code="standard",
        amount=2999,
        currency="cad",
        routing_type=RoutingType.PRIORITY_BROADCAST if chain else RoutingType.BROADCAST,
        preferred=tuple(chain),
        specialist=False,
        urgent=False,
        concern="",
        vehicle="",
        contact_email="",
        contact_phone="",
        fingerprint="",
    )
