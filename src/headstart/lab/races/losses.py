"""What can be going on when an answer gets lost: who does what, and what that must leave behind.

Every case makes a session request of its own through the service's door, loses the answer to one
commit, lets the world move on or not, and does again whatever would be done again.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID

import httpx

from headstart.lab.backstage import wait_until
from headstart.lab.line import Line
from headstart.lab.stage import OVERALL_LIMIT_MINUTES, WINDOW_MINUTES, Stage
from headstart.lab.visitors import Person
from headstart.store.listener import CHANNEL, NEWS
from headstart.store.people import PeopleStore

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

EVENTS = "insert into headstart.session_events"  # whatever changes a request, logs it
INTAKES = "insert into headstart.intakes"
WINDOW = timedelta(minutes=WINDOW_MINUTES)
OVERALL_LIMIT = timedelta(minutes=OVERALL_LIMIT_MINUTES)
LOSS_PATIENCE_S = 15.0

ASKS = ("session_requested", "request_reserved")
BROADCASTS = ("session_requested", "request_opened")
FALLS_BACK = ("reservation_ended", "request_opened")
MATCHES = ("request_matched",)
REOPENS = ("match_released", "request_opened")
BEGINNINGS = {"reserved": ASKS, "open": BROADCASTS, "matched": ASKS + MATCHES}
REACHED = "select version = $2 from session_requests where id = $1"


class Unwitnessed(Exception):
    """An answer that was to be lost was not, so that nothing is proved."""


@dataclass(slots=True)
class House:
    """The stage with the line, the people, and what is known of every request so far."""

    stage: Stage
    line: Line
    witness: "Pool"
    customer: Person
    favorite: Person
    other: Person
    operator: Person
    chance: random.Random
    stories: dict[UUID, list[str]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    witnessed: int = 0
    repeated: int = 0
    moved_on: int = 0
    _keys: Iterator[int] = field(default_factory=count)

    def key(self) -> str:
        """One that nobody has used."""
        return f"key-{next(self._keys)}"

    def begin(self, start: str) -> UUID:
        """A request in this state, with every answer heard."""
        asked = None if start == "open" else self.favorite
        request = self.stage.request_of(
            self.stage.submit(self.customer, asked, plan="free").intake_id
        )
        self.stories[request] = [*BROADCASTS] if start == "open" else [*ASKS]
        if start == "matched":
            self.happens(request, self.favorite, "acceptance", MATCHES)
        return request

    def happens(self, request: UUID, who: Person, path: str, does: Sequence[str]) -> None:
        """Something that nothing goes wrong with."""
        answer = who.post(f"/session-requests/{request}/{path}")
        self.expect(request, answer, HTTPStatus.OK, path)
        self.stories[request] += does

    def expect(self, about: UUID | str, answer: httpx.Response, status: int, what: str) -> None:
        """Complain about any other answer."""
        if answer.status_code != status:
            said = f"{answer.status_code} {answer.text[:200]}"
            self.complaints.append(f"{about}: {what} was answered with {said}")

    @contextmanager
    def losing(
        self, about: str, sql: str, *values: object, writing: str = EVENTS
    ) -> Iterator[None]:
        """Within the block one answer to a commit that writes this gets lost.

        The query must find something between the commit and the end of the connection.
        """
        wait_until(self._money_is_quiet, "the money does not come to rest", LOSS_PATIENCE_S)
        before = self.line.lost

        async def look() -> None:
            found = await self.witness.fetchval(sql, *values)
            self.witnessed += found is True
            if found is not True:
                self.complaints.append(f"{about}: nothing was committed, the answer says {found}")

        self.line.lose_next(writing, look)
        yield
        try:
            wait_until(lambda: self.line.lost > before, about, LOSS_PATIENCE_S)
        except TimeoutError as error:
            raise Unwitnessed(f"no answer was lost: {error}") from error

    def _money_is_quiet(self) -> bool:
        """No look of the cashier may be on its way: it would take the loss meant for another."""
        due = self.stage.rows("select from stripe_operations where state = 'due' limit 1")
        told = self.stage.http.get(f"{self.stage.sandbox_url}/_sandbox/deliveries").json()
        return not due and not told["pending"]

    def statuses(self, news: str) -> Sequence[int]:
        """How every delivery of this was answered so far."""
        said = self.stage.http.get(f"{self.stage.sandbox_url}/_sandbox/deliveries").json()
        return [one["status"] for one in said["attempts"] if one["event"] == news]

    def end(self, request: UUID) -> None:
        """Whatever is left to do, so that nobody is busy and nothing is due later."""
        status = self.stage.request(request)["status"]
        if status == "pending":
            self.happens(request, self.customer, "cancellation", ["request_cancelled"])
        elif status == "matched":
            self.happens(request, self.operator, "completion", ["session_completed"])


@dataclass(frozen=True, slots=True)
class Order:
    """What a person tells the service to do. ``then`` may follow before it is told again."""

    start: str
    by: str
    path: str
    does: Sequence[str]
    then: tuple[str, str, Sequence[str]] | None = None

    def __call__(self, house: House) -> UUID:
        """Told, lost, told again with the same key."""
        request, who, key = house.begin(self.start), getattr(house, self.by), house.key()
        version = len(house.stories[request]) + len(self.does)
        with house.losing(f"{request}, {self.path}", REACHED, request, version):
            answer = _tell(who, request, self.path, key)
        house.expect(request, answer, HTTPStatus.SERVICE_UNAVAILABLE, f"the lost {self.path}")
        house.stories[request] += self.does
        if self.then and house.chance.random() < 0.5:
            by, path, does = self.then
            house.happens(request, getattr(house, by), path, does)
            house.moved_on += 1
        self._again(house, request, who, key)
        house.end(request)
        return request

    def _again(self, house: House, request: UUID, who: Person, key: str) -> None:
        answer = _tell(who, request, self.path, key)
        house.repeated += 1
        house.expect(request, answer, HTTPStatus.OK, f"the repeated {self.path}")
        said, row = answer.json(), house.stage.request(request)
        true = {"changed": False, "status": row["status"], "version": row["version"]}
        told = {name: said.get(name) for name in true}
        if told != true:
            house.complaints.append(f"{request}: told {told}, and it is {true}")


def _tell(who: Person, request: UUID, path: str, key: str) -> httpx.Response:
    headers = who.headers | {"Idempotency-Key": key}
    return who.http.post(f"{who.base}/api/v1/session-requests/{request}/{path}", headers=headers)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What time does. Nobody is told; the loop itself has to find out what it has done."""

    start: str
    after: timedelta
    does: Sequence[str]

    def __call__(self, house: House) -> UUID:
        """Swept, lost, swept again by the loop."""
        request = house.begin(self.start)
        version = len(house.stories[request]) + len(self.does)
        with house.losing(f"{request}, the sweep", REACHED, request, version):
            people = PeopleStore(house.stage.pool)
            house.stage.portal.call(people.advance_clock, self.after)
            house.stage.rows("select pg_notify($1, $2)", CHANNEL, NEWS)
        house.stories[request] += self.does
        if house.stage.request(request)["status"] == "pending" and house.chance.random() < 0.5:
            house.happens(request, house.other, "acceptance", MATCHES)
            house.moved_on += 1
        house.end(request)
        return request


def paid_booking(house: House) -> UUID:
    """The answer to the payment's news gets lost: it is delivered again, until it is heard."""
    priority = house.chance.random() < 0.5
    booking = house.stage.submit(house.customer, house.favorite if priority else None)
    made = "select count(*) = 1 from session_requests where intake_id = $1"
    with house.losing(f"intake {booking.intake_id}", made, booking.intake_id):
        landed = house.stage.pay(booking)
    event = "select id from stripe_events where object_id = $1 and type = $2"
    page, kind = booking.checkout_session, "checkout.session.completed"
    wait_until(lambda: bool(house.stage.rows(event, page, kind)), "the news is not kept")
    [news] = house.stage.rows(event, page, kind)
    wait_until(lambda: house.statuses(news["id"])[-1:] == [200], "the news is not heard")
    if house.chance.random() < 0.5:
        house.stage.resend(news["id"])
    house.stage.http.get(landed)  # the customer's own way back asks for the same once more
    house.repeated += 1
    return _only_request(house, booking.intake_id, ASKS if priority else BROADCASTS)


def free_booking(house: House) -> UUID:
    """Two commits, the intake and the request: one of them, or one after the other, is not
    answered, and the customer sends the form again with its key."""
    key = house.key()
    made = {
        INTAKES: "select count(*) = 1 from intakes where idempotency_key = $1",
        EVENTS: "select count(*) = 1 from session_requests r join intakes i on i.id = r.intake_id"
        " where i.idempotency_key = $1",
    }
    for writing in house.chance.choice([[INTAKES], [EVENTS], [INTAKES, EVENTS]]):
        with house.losing(f"booking {key}", made[writing], key, writing=writing):
            answer = _book(house, key)
        house.expect(key, answer, HTTPStatus.SERVICE_UNAVAILABLE, "the lost booking")
    answers = [_book(house, key) for _ in range(2)]
    house.repeated += 1
    for answer in answers:
        house.expect(key, answer, HTTPStatus.CREATED, "the repeated booking")
    if answers[0].json() != answers[1].json():
        house.complaints.append(f"booking {key}: told {answers[0].text}, then {answers[1].text}")
    [intake] = house.stage.rows("select id from intakes where idempotency_key = $1", key)
    request = _only_request(house, intake["id"], ASKS)
    if answers[0].json().get("session_id") != str(request):
        house.complaints.append(f"booking {key}: told of another request than {request}")
    return request


def _book(house: House, key: str) -> httpx.Response:
    body = {"plan": "free", "preferred_mechanic_id": str(house.favorite.id)}
    headers = house.customer.headers | {"Idempotency-Key": key}
    address = f"{house.customer.base}/api/v1/intakes"
    return house.customer.http.post(address, json=body, headers=headers)


def _only_request(house: House, intake: UUID, story: Sequence[str]) -> UUID:
    made = house.stage.rows("select id from session_requests where intake_id = $1", intake)
    if len(made) != 1:
        house.complaints.append(f"intake {intake}: {len(made)} requests came of it")
    request: UUID = made[0]["id"]
    house.stories[request] = [*story]
    house.end(request)
    return request


Case = Callable[[House], UUID]

ORDERS = (
    Order("reserved", "favorite", "acceptance", MATCHES, ("operator", "release", REOPENS)),
    Order("open", "other", "acceptance", MATCHES, ("other", "release", REOPENS)),
    Order("reserved", "favorite", "declination", FALLS_BACK, ("other", "acceptance", MATCHES)),
    Order("open", "other", "declination", ["offer_declined"], ("favorite", "acceptance", MATCHES)),
    Order("reserved", "customer", "broadcast", FALLS_BACK, ("other", "acceptance", MATCHES)),
    Order("reserved", "customer", "cancellation", ["request_cancelled"]),
    Order("open", "customer", "cancellation", ["request_cancelled"]),
    Order("matched", "favorite", "release", REOPENS, ("other", "acceptance", MATCHES)),
    Order("matched", "favorite", "completion", ["session_completed"]),
)
CASES: Mapping[str, Sequence[Case]] = {
    "creation": [paid_booking, free_booking],
    "sweep": [
        Sweep("reserved", WINDOW, FALLS_BACK),
        Sweep("open", OVERALL_LIMIT, ["request_unfilled"]),
    ],
    **{
        path: [order for order in ORDERS if order.path == path]
        for path in dict.fromkeys(order.path for order in ORDERS)
    },
}
