"""One client's connection, whatever carries its bytes: what it wants, and what it is told."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Protocol

import structlog

from headstart.app.ports import Credential, Cursor, Unavailable
from headstart.core.access import Principal
from headstart.realtime.channel import Channel, House
from headstart.realtime.limits import Bucket
from headstart.realtime.outbox import Outbox, Pipe
from headstart.realtime.protocol import intents, writing
from headstart.realtime.protocol.reading import Malformed, read
from headstart.realtime.protocol.versions import Version
from headstart.realtime.reasons import JOINED, End, JoinRefusal
from headstart.realtime.topics import Topic, topic_of
from headstart.realtime.wire import text_frame
from headstart.telemetry import SOCKET_ENDS, SOCKET_JOINS

UNMATCHED = "unmatched topic"

log = structlog.get_logger()


class Wire(Pipe, Protocol):
    """What carries the bytes."""

    def close(self, code: int, reason: str) -> None:
        """Say goodbye; both ends know soon, or the connection is cut."""
        ...

    def pause_reading(self, for_s: float) -> None:
        """Let the client wait."""
        ...


class Desk(House, Protocol):
    """What all connections of a process share."""

    def now(self) -> datetime:
        """Real time, as of tokens."""
        ...

    def channels_of(self, who: Principal) -> int:
        """How many channels this person has open here."""
        ...

    async def refusal(self, credential: Credential, topic: Topic) -> JoinRefusal | None:
        """Why a join is refused; None when it is good."""
        ...

    def heed(self, channel: Channel, intent: intents.Intent) -> None:
        """A push on a channel that is held."""
        ...

    def gone(self, connection: "Connection") -> None:
        """It has left."""
        ...


class Connection:
    """``receive``, ``pong``, ``tick`` and ``lost`` come from outside; nothing here blocks."""

    __slots__ = (
        "_bucket",
        "_channelless_since_s",
        "_channels",
        "_desk",
        "_joining",
        "_key",
        "_malformed",
        "_newest",
        "_outbox",
        "_ping_at_s",
        "_proved",
        "_rejoin_by_s",
        "_tasks",
        "_unanswered",
        "_wire",
        "has_joined",
        "is_closing",
        "look_at_s",
        "version",
    )

    def __init__(self, desk: Desk, wire: Wire, version: Version, key: str | None) -> None:
        self._desk = desk
        self.version = version
        self._wire = wire
        self._key = key
        limits = desk.limits
        self._outbox = Outbox(wire, limits.waiting_frames, self._overflow)
        self._bucket = Bucket(limits.messages_per_s, limits.messages_at_once)
        self._channels: dict[str, Channel] = {}
        self._joining: dict[str, intents.Join] = {}
        self._proved: dict[str, Credential] = {}
        self._newest: dict[Principal, Credential] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._malformed = 0
        self._unanswered = 0
        self._ping_at_s = self._channelless_since_s = desk.clock_s()
        self._rejoin_by_s: dict[str, float] = {}
        self.look_at_s = 0.0  # no ``tick`` is needed before
        self.is_closing = False
        self.has_joined = False  # something, ever

    # --- from the client ---------------------------------------------------------------------

    def receive(self, message: str | bytes) -> None:
        """One message of the client."""
        if self.is_closing:
            return
        wait_s = self._bucket.take(self._desk.clock_s())
        if wait_s:
            self._wire.pause_reading(wait_s)
        try:
            intent = read(self.version, message)
        except Malformed as error:
            self._malformed += 1
            log.info("realtime_message_malformed", error=str(error))
            if self._malformed > self._desk.limits.malformed:
                self.close(End.MALFORMED)
            return
        self._heed(intent)

    def _heed(self, intent: intents.Intent) -> None:
        match intent:
            case intents.Heartbeat(at=at):
                self.say(writing.reply(self.version, at, "ok", {}))
            case intents.Join():
                self._begin(intent)
            case intents.Leave(at=at):
                self._leave(at)
            case _:
                channel = self._channels.get(intent.at.topic)
                if channel is None:
                    self.refuse(intent.at, UNMATCHED)
                elif isinstance(intent, intents.Renew):
                    self.start(self._renew(channel, intent))
                else:
                    self._desk.heed(channel, intent)

    def _begin(self, join: intents.Join) -> None:
        """A topic that is held already is joined anew, silently: a ``phx_close`` for the old join
        would end the new one in some clients."""
        wire = join.at.topic
        self._rejoin_by_s.pop(wire, None)
        superseded = self._channels.pop(wire, None)
        if superseded is not None:
            superseded.stop()
            self._look_soon()
        self._joining.pop(wire, None)
        topic = topic_of(wire)
        if topic is None:
            self._refuse_join(join, JoinRefusal.NO_TOPIC)
        elif join.config.bad_replay:
            self._refuse_join(join, JoinRefusal.BAD_REPLAY)
        elif len(self._channels) + len(self._joining) >= self._desk.limits.channels:
            self._refuse_join(join, JoinRefusal.TOO_MANY_CHANNELS)
        else:
            self._joining[wire] = join
            self.start(self._open(join, topic))

    async def _credential(self, token: str | None) -> Credential | None:
        """What the token proves. Some clients join again with the token they began with: if it
        was good on this connection, the newest that proved the same person counts."""
        token = token or self._key
        if token is None:
            return None
        credential = await self._desk.door.read(token)
        if credential is not None:
            self._proved[token] = credential
            if len(self._proved) > self._desk.limits.channels:
                del self._proved[next(iter(self._proved))]
            newest = self._newest.get(credential.who)
            if newest is None or newest.until < credential.until:
                self._newest[credential.who] = credential
            return credential
        stale = self._proved.get(token)
        newest = self._newest.get(stale.who) if stale else None
        return newest if newest and newest.until > self._desk.now() else None

    async def _open(self, join: intents.Join, topic: Topic) -> None:
        try:
            async with asyncio.timeout(self._desk.limits.join_s):
                entered = await self._enter(join, topic)
        except (Unavailable, TimeoutError) as error:
            log.warning("realtime_join_waits", topic=topic.name, error=str(error))
            entered = JoinRefusal.BUSY
        except Exception:
            log.exception("realtime_join_failed", topic=topic.name)
            entered = JoinRefusal.BUSY
        if isinstance(entered, Channel):
            await self._bring_up_to_date(entered)
        elif entered is not None:
            self._joining.pop(topic.wire, None)
            channel = self._channels.get(topic.wire)
            if channel is not None and channel.join is join:
                self._drop(channel)
            self._refuse_join(join, entered)

    async def _enter(self, join: intents.Join, topic: Topic) -> Channel | JoinRefusal | None:
        """None: another join, or a leave, has come meanwhile."""
        credential = await self._credential(join.token)
        if self._joining.get(topic.wire) is not join:
            return None
        if credential is None:
            return JoinRefusal.BAD_TOKEN if join.token else JoinRefusal.NO_TOKEN
        if self._desk.channels_of(credential.who) >= self._desk.limits.channels_of_a_person:
            return JoinRefusal.TOO_MANY_OF_A_PERSON
        del self._joining[topic.wire]
        channel = Channel(self._desk, self, join, topic, credential)
        self._channels[topic.wire] = channel
        reason = await self._desk.refusal(credential, topic)
        if reason is None:
            channel.watch()
            await channel.enter()
        return None if channel.has_ended else reason or channel

    async def _bring_up_to_date(self, channel: Channel) -> None:
        SOCKET_JOINS.labels(JOINED).inc()
        self.has_joined = True
        try:
            await channel.tell_what_was_missed()
        except Exception as error:
            if not isinstance(error, Unavailable):
                log.exception("realtime_replay_failed", topic=channel.topic.name)
            self.fail(channel, End.BUSY)

    def _leave(self, at: intents.Address) -> None:
        """No answer for what this connection does not hold: some clients leave before they join,
        and would take the answer for the end of the channel that follows."""
        self._rejoin_by_s.pop(at.topic, None)
        channel = self._channels.get(at.topic)
        held = channel.join if channel else self._joining.get(at.topic)
        if held is None:
            return
        if at.join_ref in (None, held.at.join_ref):
            self._joining.pop(at.topic, None)
            if channel is not None:
                self._drop(channel, forget=True)
        self.say(writing.reply(self.version, at, "ok", {}))

    async def _renew(self, channel: Channel, renewal: intents.Renew) -> None:
        """Another person's token ends the channel: it begins anew with what that person may hear.
        A bad one changes nothing: the channel lasts as long as what it was opened with."""
        if renewal.token is None:
            return
        try:
            credential = await self._credential(renewal.token)
        except Unavailable:
            self.refuse(renewal.at, JoinRefusal.BUSY)
            return
        if channel.has_ended:
            return
        if credential is None:
            self.refuse(renewal.at, JoinRefusal.BAD_TOKEN)
        elif credential.who != channel.who:
            self.fail(channel, End.ANOTHER_PERSON)
        else:
            channel.credential = credential
            channel.watch()

    # --- to the client -----------------------------------------------------------------------

    def say(self, text: str, channel: Channel | None = None, cursor: Cursor | None = None) -> None:
        """One frame."""
        self.say_bytes(text_frame(text), channel, cursor)

    def say_bytes(
        self, data: bytes, channel: Channel | None = None, cursor: Cursor | None = None
    ) -> None:
        """One frame that was encoded once for many."""
        self._outbox.put(data, channel, cursor)

    def refuse(self, at: intents.Address, reason: str) -> None:
        """A push that is not done."""
        self.say(writing.refusal(self.version, at, reason))

    def _refuse_join(self, join: intents.Join, reason: JoinRefusal) -> None:
        SOCKET_JOINS.labels(reason.code).inc()
        self.refuse(join.at, reason)

    async def room(self) -> None:
        """Wait until there is room for more."""
        await self._outbox.room()

    def fail(self, channel: Channel, end: End) -> None:
        """End a channel so that the client comes back if it may: never by ``phx_close``."""
        if channel.has_ended:
            return
        self._drop(channel)
        at = channel.join.at
        self._rejoin_by_s[at.topic] = self._desk.clock_s() + self._desk.limits.rejoin_s
        SOCKET_ENDS.labels(end).inc()
        self.say(writing.failure(self.version, at.topic, at.join_ref, end.code, end))

    def _drop(self, channel: Channel, *, forget: bool = False) -> None:
        if self._channels.get(channel.join.at.topic) is channel:
            del self._channels[channel.join.at.topic]
            self._look_soon()
        channel.stop(forget=forget)

    # --- life and death ----------------------------------------------------------------------

    def pong(self, payload: bytes) -> None:
        """The other side lives, and has what was sent before the ping."""
        self._unanswered = 0
        self._outbox.pong(payload)

    def resume(self) -> None:
        """The other side has read what was written."""
        self._outbox.flush()

    def tick(self) -> None:
        """Now and then: what has expired, who is silent, who has come for nothing."""
        now_s, limits = self._desk.clock_s(), self._desk.limits
        if self._channels:
            self._channelless_since_s = now_s
        if any(by_s <= now_s for by_s in self._rejoin_by_s.values()):
            self.close(End.NOT_REJOINED)
        elif now_s - self._channelless_since_s >= limits.channelless_s:
            self.close(End.NO_CHANNEL)
        elif now_s - self._ping_at_s >= limits.ping_every_s:
            self._ping_at_s = now_s
            self._ping()
        if self._channels and not self._rejoin_by_s:
            self.look_at_s = self._ping_at_s + limits.ping_every_s

    def _look_soon(self) -> None:
        """A channel less."""
        self._channelless_since_s, self.look_at_s = self._desk.clock_s(), 0.0

    def _ping(self) -> None:
        if self._outbox.awaits_pong or self._wire.is_full:
            self._unanswered += 1
            if self._unanswered >= self._desk.limits.pings_unanswered:
                self.close(End.SILENT)
        elif self._outbox.is_empty:
            told = self._desk.feed.told
            live = [channel for channel in self._channels.values() if channel.is_live]
            self._outbox.ping(dict.fromkeys(live, told))

    def close(self, end: End) -> None:
        """Say goodbye."""
        if self.is_closing:
            return
        self.is_closing = True
        SOCKET_ENDS.labels(end).inc()
        self._outbox.flush()
        self._end()
        self._wire.close(end.code, end)

    def lost(self) -> None:
        """Nobody is there any more."""
        self.is_closing = True
        self._end()
        self._desk.gone(self)

    @property
    def is_answering(self) -> bool:
        """Did the other side answer the last ping that it had time for?"""
        return not self._unanswered and not self.is_closing

    def channels(self) -> list[Channel]:
        """The channels held now."""
        return list(self._channels.values())

    def _end(self) -> None:
        self._outbox.close()
        for task in self._tasks:
            task.cancel()
        for channel in list(self._channels.values()):
            self._drop(channel)

    def _overflow(self) -> None:
        asyncio.get_running_loop().call_soon(self.close, End.TOO_SLOW)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Something that waits, for as long as the connection lasts."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
