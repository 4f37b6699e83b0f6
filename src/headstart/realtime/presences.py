"""Who is on duty, shown on the topic ``online_mechanics``.

The truth is the lease in the database, the same that decides what a favourite who is away gets.
Tracking is going on duty, which is a person's decision; an open socket that answers pings only
keeps the lease alive. So all processes agree, and nobody stays online who is not there.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

import structlog

from headstart.app.ports import Presences as Stored
from headstart.app.ports import Unavailable
from headstart.app.wakeups import Wakeups
from headstart.core.access import Role
from headstart.core.request import MechanicId
from headstart.realtime.channel import Channel
from headstart.realtime.protocol import intents, writing
from headstart.realtime.protocol.presence import State, change_frames, state_frames
from headstart.realtime.topics import Kind

LOOK_S = 1.0
BEATS_PER_LEASE = 3
WATCHED_PER_LEASE = 0.5  # one missed beat of ours is a gap in which nobody may have listened
META_FIELDS = ("status", "online_at")  # what others may be shown of a client's own words
META_CHARACTERS_MAX = 64
REF_CHARACTERS = 16
NOT_HERE = "Unauthorized: nobody can be tracked here"
NOT_A_MECHANIC = "Unauthorized: only mechanics can be tracked"
BUSY = "DatabaseLackOfConnections: the database is busy; try again"

log = structlog.get_logger()


class Presences:
    """``channels`` are those open in this process."""

    def __init__(
        self,
        stored: Stored,
        wakeups: Wakeups,
        channels: Callable[[], Iterable[Channel]],
        lease_s: float,
    ) -> None:
        self._stored = stored
        self._wakeups = wakeups
        self._woken = wakeups.subscribe()
        self._channels = channels
        self._lease_s = lease_s
        self._watching: set[Channel] = set()
        self._state: State = {}

    def welcome(self, channel: Channel) -> None:
        """The state as it is, or empty where nobody can be present: clients wait for one."""
        if channel.join.config.presence and not channel.has_ended:
            state = self._state if channel.topic.kind is Kind.ONLINE else {}
            if channel.topic.kind is Kind.ONLINE:
                self._watching.add(channel)
            at, version = channel.join.at, channel.line.version
            for text in state_frames(version, at.topic, at.join_ref, state):
                channel.line.say(text)
            self._woken.set()

    async def put(self, channel: Channel, at: intents.Address, meta: intents.Json | None) -> None:
        """Go on duty with this meta; None: go off duty. Answered when it is stored."""
        if channel.topic.kind is not Kind.ONLINE:
            channel.line.refuse(at, NOT_HERE)
        elif channel.who.role is not Role.MECHANIC:
            channel.line.refuse(at, NOT_A_MECHANIC)
        else:
            shown = _shown(meta or {})
            try:
                mechanic = MechanicId(channel.who.id)
                await self._stored.put(mechanic, shown, meta is not None, self._lease_s)
            except Unavailable:
                channel.line.refuse(at, BUSY)
                return
            self._wakeups.announce()
            channel.line.say(writing.reply(channel.line.version, at, "ok", {}))

    async def run(self) -> None:
        """Until cancelled."""
        clock = asyncio.get_running_loop().time
        beat_at = clock()
        while True:
            try:
                if clock() >= beat_at:
                    await self.beat()
                    beat_at = clock() + self._lease_s / BEATS_PER_LEASE
                await self._look()
            except Unavailable as error:
                log.warning("presence_waits_for_the_database", error=str(error))
            except Exception:
                log.exception("presence_failed")
            await self._nap()

    async def beat(self) -> None:
        """Whoever answers pings is there; nobody goes on duty by that. And we are here to hear."""
        there = {
            MechanicId(channel.who.id)
            for channel in self._channels()
            if channel.who.role is Role.MECHANIC and channel.line.is_answering
        }
        if there:
            await self._stored.renew(list(there), self._lease_s)
        await self._stored.watch(self._lease_s * WATCHED_PER_LEASE)

    async def _look(self) -> None:
        """Tell those who watch what has changed since they were told last."""
        self._watching = {one for one in self._watching if not one.has_ended}
        if not self._watching:
            self._state = {}
            return
        now_there = await self._stored.everybody()
        before, self._state = self._state, _state(now_there)
        for channel in [one for one in self._watching if not one.has_ended]:
            version, topic = channel.line.version, channel.topic.wire
            for text in change_frames(version, topic, before, self._state):
                channel.line.say(text)

    async def _nap(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()


def _state(everybody: Mapping[MechanicId, Mapping[str, Any]]) -> State:
    """The ref is made from what is shown: all processes name the same thing alike."""
    return {str(mechanic): {_ref(mechanic, meta): meta} for mechanic, meta in everybody.items()}


def _ref(mechanic: MechanicId, meta: Mapping[str, Any]) -> str:
    content = f"{mechanic}{json.dumps(meta, sort_keys=True)}"
    return sha256(content.encode()).hexdigest()[:REF_CHARACTERS]


def _shown(meta: intents.Json) -> dict[str, str]:
    """The allow-list: short texts under known names. The person is who the token says."""
    return {
        name: value[:META_CHARACTERS_MAX].replace("\x00", "")
        for name in META_FIELDS
        if isinstance(value := meta.get(name), str)
    }
