"""Everything the connections of one process share."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from headstart.app.feed import Feed, Frame, frames_for
from headstart.app.ports import Bookmark, Credential, Cursor, EventLog, Receipts, Unavailable
from headstart.app.ports import Presences as StoredPresences
from headstart.app.wakeups import Wakeups
from headstart.core.access import Principal
from headstart.core.request import MechanicId
from headstart.realtime.badges import Door
from headstart.realtime.channel import Channel
from headstart.realtime.connection import Connection, Wire
from headstart.realtime.limits import Limits
from headstart.realtime.presences import Presences
from headstart.realtime.protocol import writing
from headstart.realtime.protocol.intents import Intent
from headstart.realtime.protocol.versions import Version
from headstart.realtime.pushes import Pushes
from headstart.realtime.reasons import End, JoinRefusal
from headstart.realtime.receipts import ReceiptBook
from headstart.realtime.rights import Rights
from headstart.realtime.topics import Topic
from headstart.realtime.wire import text_frame
from headstart.telemetry import SOCKETS

TICKS_IN_A_ROW = 500

log = structlog.get_logger()


class Hub:
    """``name`` makes the id of an event that clients see; ``now`` is real time, as of tokens;
    ``lease_s`` is how long a heartbeat proves that a mechanic is there."""

    def __init__(
        self,
        feed: Feed,
        event_log: EventLog,
        rights: Rights,
        receipts: Receipts,
        book: ReceiptBook,
        door: Door,
        stored_presences: StoredPresences,
        wakeups: Wakeups,
        *,
        lease_s: float,
        name: Callable[[Cursor], str],
        now: Callable[[], datetime],
        limits: Limits | None = None,
    ) -> None:
        self.feed = feed
        self.door = door
        self.receipts = book
        self.limits = limits or Limits()
        self._now = now
        self.presences = Presences(stored_presences, wakeups, self._open_channels, lease_s)
        self._pushes = Pushes(self.presences)
        self._log = event_log
        self._rights = rights
        self.stored = receipts
        self._name = name
        self._connections: set[Connection] = set()
        self._channels_of: Counter[Principal] = Counter()
        self._newest: Frame | None = None
        self._encoded: dict[str, bytes] = {}  # the newest, by dialect
        self._turns = 0

    def now(self) -> datetime:
        """Real time, as of tokens."""
        return self._now()

    def clock_s(self) -> float:
        """For intervals within this process."""
        return asyncio.get_running_loop().time()

    # --- connections ---------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """No more connections here."""
        return len(self._connections) >= self.limits.connections

    def connect(self, wire: Wire, version: Version, key: str | None) -> Connection:
        """A client has come."""
        connection = Connection(self, wire, version, key)
        self._connections.add(connection)
        SOCKETS.inc()
        return connection

    def connections(self) -> list[Connection]:
        """Those open now."""
        return list(self._connections)

    def gone(self, connection: Connection) -> None:
        """And has left."""
        if connection in self._connections:
            self._connections.discard(connection)
            SOCKETS.dec()

    def count(self, who: Principal, by: int) -> None:
        """A channel more, or less."""
        self._channels_of[who] += by
        if not self._channels_of[who]:
            del self._channels_of[who]

    def channels_of(self, who: Principal) -> int:
        """How many channels this person has open here."""
        return self._channels_of[who]

    def close_in_turn(self, connection: Connection) -> None:
        """The process stops: not all at once, or they would all come back at once."""
        limits, turn = self.limits, self._turns
        self._turns += 1
        spread_s = limits.drain_s * turn / max(1, len(self._connections))
        delay_s = min(spread_s, turn / limits.drained_per_s)
        asyncio.get_running_loop().call_later(delay_s, connection.close, End.RESTART)

    # --- what channels ask for -----------------------------------------------------------------

    async def refusal(self, credential: Credential, topic: Topic) -> JoinRefusal | None:
        """Why a join is refused; None when it is good."""
        if not await self.door.is_good(credential):
            return JoinRefusal.SIGNED_OUT
        return await self._rights.refusal(credential.who, topic)

    def heed(self, channel: Channel, intent: Intent) -> None:
        """A push on a channel that is held."""
        self._pushes.heed(channel, intent)

    def welcome(self, channel: Channel) -> None:
        """Show who is present, if the topic has that."""
        self.presences.welcome(channel)

    def encoded(self, channel: Channel, frame: Frame, *, again: bool) -> bytes:
        """A frame for the wire; what is told live is encoded once for all."""
        if again:
            return self._encode(channel, frame, {"replayed": True})
        if frame is not self._newest:
            self._newest, self._encoded = frame, {}
        known = self._encoded.get(channel.dialect)
        if known is None:
            known = self._encoded[channel.dialect] = self._encode(channel, frame, {})
        return known

    def _encode(self, channel: Channel, frame: Frame, more: dict[str, bool]) -> bytes:
        version, wire = channel.line.version, channel.topic.wire
        meta = {"id": self._name(frame.cursor), **more}
        return text_frame(writing.broadcast(version, wire, frame.event, frame.payload, meta))

    async def standing_offers(self, who: Principal, bookmark: Bookmark) -> Sequence[Frame]:
        """The frames behind what is reserved for this mechanic now."""
        mechanic = MechanicId(who.id)
        standing = await self.stored.standing_offers(mechanic)
        approved = await self._log.approved([mechanic]) if standing else frozenset()
        return [
            frame
            for logged in standing
            for frame in frames_for(who, logged, approved, now=bookmark.now)
        ]

    # --- the loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.receipts.run())
            tasks.create_task(self._tick())
            tasks.create_task(self._keep_rights())
            tasks.create_task(self.presences.run())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self.limits.tick_s)
            now_s = self.clock_s()
            due = [one for one in self._connections if one.look_at_s <= now_s]
            for number, connection in enumerate(due, 1):
                try:
                    connection.tick()
                except Exception:
                    log.exception("realtime_tick_failed")
                if number % TICKS_IN_A_ROW == 0:
                    await asyncio.sleep(0)

    async def _keep_rights(self) -> None:
        """Who is not approved any more hears nothing more; and is told so."""
        while True:
            await asyncio.sleep(self.limits.tick_s)
            try:
                await self._end_unapproved()
            except Unavailable as error:
                log.warning("realtime_rights_wait_for_the_database", error=str(error))
            except Exception:
                log.exception("realtime_rights_failed")

    def _open_channels(self) -> list[Channel]:
        return [one for each in self.connections() for one in each.channels()]

    async def _end_unapproved(self) -> None:
        for ear in await self.feed.of_the_unapproved():
            if isinstance(ear, Channel):
                ear.line.fail(ear, End.NOT_APPROVED)
