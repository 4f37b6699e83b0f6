"""Plays scenes: does what the people of the play would do, on the running service.

Every act is what a page's button does, by the same commands, as the same people: nothing here can
do more than they can. Only time is moved, by the test clock.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx

from headstart.app.flags import FAVORITES_PRIORITY
from headstart.app.fulfilment import request_id_of
from headstart.app.intake import Booking
from headstart.app.ports import By
from headstart.core import commands
from headstart.core.access import Principal, Role
from headstart.core.commands import Command
from headstart.core.request import CustomerId, MechanicId, RequestId, RoutingType, SessionRequest
from headstart.demonstration.people import CUSTOMER, FAVOURITE, MECHANICS, OTHER, Part
from headstart.demonstration.scenes import Act, Scene, Step
from headstart.demonstration.screens import Screen
from headstart.web.api import offers_snapshot, order, requests_snapshot
from headstart.web.service import Service

DIRECTOR = By("the director of the demo", "a scene is played")
PLAN = "standard"
CONCERN = "The brakes squeal when I stop."
VEHICLE = "2016 Volkswagen Golf"


class CannotPlay(Exception):
    """An act that is not possible now; the message says why, to whoever watches."""


@dataclass(slots=True)
class Performance:
    """A scene that is being played. ``step`` counts from 1."""

    scene: Scene
    step: int = 0
    request_id: RequestId | None = None

    @property
    def now(self) -> Step | None:
        """What has just happened."""
        return self.scene.steps[self.step - 1] if self.step else None

    @property
    def next(self) -> Step | None:
        """What comes then; None at the end."""
        return self.scene.steps[self.step] if self.step < len(self.scene.steps) else None


class Director:
    """One for a demo: one scene at a time, whoever presses."""

    def __init__(
        self, service: Service, http: httpx.AsyncClient, screens: Sequence[Screen]
    ) -> None:
        self.performance: Performance | None = None
        self.screens = screens
        self.said: str | None = None
        self._service = service
        self._http = http
        self._one_at_a_time = asyncio.Lock()
        self._acts: Mapping[Act, Callable[[], Awaitable[None]]] = {
            Act.BOOK_FAVOURITE: lambda: self._book((MechanicId(FAVOURITE.id),)),
            Act.BOOK_ANYBODY: lambda: self._book(()),
            Act.FAVOURITE_LEAVES: lambda: self._be_on_duty(FAVOURITE, on_duty=False),
            Act.FAVOURITE_ACCEPTS: lambda: self._by(FAVOURITE, commands.AcceptOffer),
            Act.FAVOURITE_DECLINES: lambda: self._by(FAVOURITE, commands.DeclineOffer),
            Act.OTHER_ACCEPTS: lambda: self._by(OTHER, commands.AcceptOffer),
            Act.ASK_EVERYONE: lambda: self._by_customer(commands.AskEveryone),
            Act.CANCEL: lambda: self._by_customer(commands.CancelRequest),
            Act.TO_THE_DEADLINE: self._wait_for_the_deadline,
            Act.SWITCH_OFF: lambda: self._switch(enabled=False),
            Act.SWITCH_ON: lambda: self._switch(enabled=True),
        }

    @property
    def page_of_customer(self) -> str:
        """Where the customer's screen belongs now."""
        playing = self.performance
        asked = playing and playing.request_id
        return f"/requests/{asked}" if asked else "/dashboard"

    async def clock(self) -> datetime:
        """What time it is, by the one clock."""
        return await self._service.requests.clock()

    async def begin(self, scene: Scene) -> None:
        """Make room, and play the first step."""
        async with self._one_at_a_time:
            self.performance = None
            await self._make_room()
            self.performance = Performance(scene)
            await self._play_next()

    async def go_on(self) -> None:
        """Play the next step, if there is one."""
        async with self._one_at_a_time:
            await self._play_next()

    async def let_pass(self, length: timedelta) -> None:
        """Time passes, for everybody alike."""
        async with self._one_at_a_time:
            await self._move_clock(length)

    async def let_the_window_pass(self) -> None:
        """Time passes until the system itself would act."""
        async with self._one_at_a_time:
            await self._wait_for_the_deadline()

    async def _play_next(self) -> None:
        playing = self.performance
        step = playing.next if playing else None
        if playing is None or step is None:
            return
        playing.step += 1  # also when it cannot be done: the play goes on
        await self._acts[step.act]()

    async def _make_room(self) -> None:
        """End what the last scene, or somebody at a screen, has left; everybody is on duty."""
        await self._switch(enabled=True)
        for one in await self._live_requests():
            if one["status"] == "pending":
                await self._order(CUSTOMER, commands.CancelRequest(_id(one), _actor(CUSTOMER)))
        for mechanic in (MechanicId(one) for one, _ in MECHANICS):
            job = (await offers_snapshot(self._service, mechanic))["job"]
            if job:
                who = Principal(Role.MECHANIC, mechanic)
                done = commands.CompleteSession(_id(job), mechanic, who.actor)
                await order(self._service, who, done, None)
        for part in (FAVOURITE, OTHER):
            await self._be_on_duty(part, on_duty=True)

    async def _live_requests(self) -> Sequence[Mapping[str, str]]:
        snapshot = await requests_snapshot(self._service, CustomerId(CUSTOMER.id))
        found: Sequence[Mapping[str, str]] = snapshot["requests"]
        return found

    async def _book(self, preferred: tuple[MechanicId, ...]) -> None:
        """Fill in the intake, press "pay" on the payment page, and come back."""
        playing = self.performance
        assert playing, "something is being played"
        booking = Booking(
            plan=PLAN,
            routing_type=RoutingType.PRIORITY_BROADCAST if preferred else RoutingType.BROADCAST,
            preferred=preferred,
            concern=CONCERN,
            vehicle=VEHICLE,
        )
        submitted = await self._service.desk.submit(CustomerId(CUSTOMER.id), booking, None)
        assert submitted.checkout_url, "the plan has a price"
        pressed = await self._http.post(submitted.checkout_url, data={"action": "pay"})
        if pressed.status_code != HTTPStatus.SEE_OTHER:
            raise CannotPlay("The payment did not work out.")
        [page] = parse_qs(urlsplit(pressed.headers["Location"]).query)["session_id"]
        await self._service.fulfilment.settle(page)
        playing.request_id = request_id_of(submitted.intake_id, page)

    async def _by(
        self, part: Part, order_of: Callable[[RequestId, MechanicId, commands.Actor], Command]
    ) -> None:
        await self._order(part, order_of(self._asked_for(), MechanicId(part.id), _actor(part)))

    async def _by_customer(self, order_of: Callable[[RequestId, commands.Actor], Command]) -> None:
        await self._order(CUSTOMER, order_of(self._asked_for(), _actor(CUSTOMER)))

    async def _order(self, part: Part, command: Command) -> None:
        await order(self._service, part.principal, command, None)

    def _asked_for(self) -> RequestId:
        playing = self.performance
        if playing is None or playing.request_id is None:
            raise CannotPlay("Nothing was booked in this scene.")
        return playing.request_id

    async def _be_on_duty(self, part: Part, *, on_duty: bool) -> None:
        lease = timedelta(seconds=self._service.settings.presence_lease_s)
        await self._service.people.set_presence(MechanicId(part.id), on_duty=on_duty, lease=lease)
        self._service.wakeups.announce()
        await self._look_again()

    async def _switch(self, *, enabled: bool) -> None:
        switchboard = self._service.switchboard
        if (await switchboard.flag(FAVORITES_PRIORITY)).enabled is not enabled:
            await switchboard.set_flag(
                FAVORITES_PRIORITY, enabled=enabled, rollout_percentage=None, by=DIRECTOR
            )

    async def _wait_for_the_deadline(self) -> None:
        due: list[timedelta] = []
        for one in await self._live_requests():
            seen = await self._service.requests.see([_id(one)])
            request: SessionRequest | None = seen[0].request if seen else None
            if request and request.due_at:
                due.append(request.due_at - seen[0].now)
        if not due:
            raise CannotPlay("Nobody waits for anything: there is no deadline to go to.")
        await self._move_clock(max(min(due), timedelta()))

    async def _move_clock(self, length: timedelta) -> None:
        """Who is on duty stays so: a person who is there would have gone on saying so."""
        present = [
            part
            for part in (FAVOURITE, OTHER)
            if (there := await self._service.people.presence(MechanicId(part.id)))
            and there["is_online"]
        ]
        if length > timedelta():
            await self._service.people.move_clock(length, by=DIRECTOR)
        for part in present:
            await self._be_on_duty(part, on_duty=True)
        self._service.wakeups.announce()
        await self._look_again()

    async def _look_again(self) -> None:
        for screen in self.screens:
            await screen.look_again()


def _id(of: Mapping[str, str]) -> RequestId:
    return RequestId(UUID(of["session_id"]))


def _actor(part: Part) -> commands.Actor:
    return part.principal.actor
