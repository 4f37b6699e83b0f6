"""One topic on one connection: what was missed first, then everything as it happens."""

from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime
from sys import intern
from typing import Any, Protocol

from headstart.app.feed import Feed, Frame, ReplayTooLong
from headstart.app.ports import Bookmark, Credential, Cursor
from headstart.core.access import Principal, Role
from headstart.realtime.badges import Door
from headstart.realtime.limits import Limits
from headstart.realtime.protocol import writing
from headstart.realtime.protocol.intents import Address, Join, Replay
from headstart.realtime.protocol.versions import Version
from headstart.realtime.reasons import End
from headstart.realtime.receipts import ReceiptBook
from headstart.realtime.topics import Kind, Topic, carries

RESYNC = "resync_required"


class House(Protocol):
    """What all channels of a process share."""

    limits: Limits
    feed: Feed
    door: Door
    receipts: ReceiptBook

    def clock_s(self) -> float:
        """For intervals within this process."""
        ...

    def count(self, who: Principal, by: int) -> None:
        """A channel more, or less."""
        ...

    def encoded(self, channel: "Channel", frame: Frame, *, again: bool) -> bytes:
        """A frame for the wire."""
        ...

    async def standing_offers(self, who: Principal, bookmark: Bookmark) -> Sequence[Frame]:
        """The frames behind what is reserved for this mechanic now."""
        ...

    def welcome(self, channel: "Channel") -> None:
        """Show who is present, if the topic has that."""
        ...


class Line(Protocol):
    """The connection a channel speaks on."""

    version: Version

    @property
    def is_answering(self) -> bool:
        """Did the other side answer the last ping that it had time for?"""
        ...

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Something that waits, for as long as the connection lasts."""
        ...

    def say(
        self, text: str, channel: "Channel | None" = None, cursor: Cursor | None = None
    ) -> None:
        """One frame."""
        ...

    def say_bytes(
        self, data: bytes, channel: "Channel | None" = None, cursor: Cursor | None = None
    ) -> None:
        """One frame that was encoded once for many."""
        ...

    def refuse(self, at: Address, reason: str) -> None:
        """A push that is not done."""
        ...

    def fail(self, channel: "Channel", end: End) -> None:
        """End a channel so that the client comes back if it may."""
        ...

    async def room(self) -> None:
        """Wait until there is room for more."""
        ...


class Channel:
    """An ear of the feed. It is silent until what was missed has been sent."""

    __slots__ = (
        "_carries",
        "_heard",
        "_held",
        "_held_too_much",
        "_house",
        "_noted_at_s",
        "_watching",
        "bookmark",
        "credential",
        "dialect",
        "has_ended",
        "is_live",
        "join",
        "line",
        "noted",
        "topic",
        "who",
    )

    def __init__(
        self, house: House, line: Line, join: Join, topic: Topic, credential: Credential
    ) -> None:
        self.line = line
        self._house = house
        self.join = join
        self.topic = topic
        self.dialect = intern(f"{line.version} {topic.wire}")  # whoever shares it reads the same
        self.credential = credential
        self.who = credential.who  # a new token of another person is another channel
        self._carries = carries(topic, self.who)
        self.bookmark: Bookmark | None = None
        self._watching = ExitStack()
        self.is_live = False
        self.has_ended = False
        self._heard = Cursor()
        self._held: deque[Frame] = deque()
        self._held_too_much = False
        self.noted = Cursor()
        self._noted_at_s = 0.0
        self._house.count(self.who, +1)

    def offer(self, frame: Frame) -> None:
        """From the feed: what this topic carries is sent, or kept until the past is through."""
        if self.has_ended or not self._carries(frame):
            return
        if self.is_live:
            self._send(frame)
        elif len(self._held) < self._house.limits.waiting_frames:
            self._held.append(frame)
        else:
            self._held_too_much = True

    def end(self) -> None:
        """The process is about to stop: the connection is closed in its turn."""

    def arrived(self, cursor: Cursor) -> None:
        """Proved by a pong. While nothing is sent, it need not be written down every time."""
        if self.bookmark is None or self.has_ended:
            return
        now_s = self._house.clock_s()
        news = self.noted < cursor <= self._heard
        if news or now_s - self._noted_at_s >= self._house.limits.idle_receipt_s:
            self.noted, self._noted_at_s = cursor, now_s
            self._house.receipts.move(self.bookmark.id, cursor)

    def watch(self) -> None:
        """End when what the token proved has ended."""
        self._watching.close()
        if not self.has_ended:
            self._watching.enter_context(
                self._house.door.watch(self.credential, self._end_of_credential)
            )

    def _end_of_credential(self, end: End) -> None:
        self.line.fail(self, end)

    async def enter(self) -> None:
        """Attach first, so that nothing falls between; then answer."""
        house, wish = self._house, self.join.config.replay
        await house.feed.started.wait()
        if self.has_ended:
            return
        house.feed.attach(self)
        since_ms = wish.since_ms if wish else None
        bookmark = await house.receipts.hold(self.who, self.topic.name, since_ms)
        if self.has_ended:
            house.receipts.let_go(bookmark.id)
            return
        self.bookmark, self._heard = bookmark, bookmark.cursor
        self.noted, self._noted_at_s = bookmark.cursor, house.clock_s()
        bindings = self.join.config.bindings
        self.line.say(writing.joined(self.line.version, self.join.at, bindings))

    async def tell_what_was_missed(self) -> None:
        """What stands, what was asked for again, and what was missed; then go live."""
        bookmark, wish = self.bookmark, self.join.config.replay
        if bookmark is None:
            return
        standing = await self._standing_offers(bookmark)
        try:
            if bookmark.stale:
                raise ReplayTooLong
            if wish is not None and not bookmark.same_wish:
                await self._tell_again(wish)
            self._say_again(frame for frame in standing if frame.cursor <= bookmark.cursor)
            await self._catch_up(bookmark)
        except ReplayTooLong:
            await self._resync()
            self._say_again(standing)
        self._house.welcome(self)
        self._go_live()

    def stop(self, *, forget: bool = False) -> None:
        """Nothing more. The bookmark stays for the next time, unless the client left for good."""
        if self.has_ended:
            return
        self.has_ended = True
        self._house.count(self.who, -1)
        self._watching.close()
        self._house.feed.detach(self)
        if self.bookmark is not None:
            (self._house.receipts.forget if forget else self._house.receipts.let_go)(
                self.bookmark.id
            )

    async def _tell_again(self, wish: Replay) -> None:
        """The newest that this person was told since then, up to where their bookmark stands."""
        limit = wish.limit or self._house.limits.asked_again
        newest: deque[Frame] = deque(maxlen=min(limit, self._house.limits.asked_again))
        start = await self._house.receipts.place_at(wish.since_ms)
        if start < self._heard:
            async for frame in self._replay(start):
                if frame.cursor > self._heard:
                    break
                if self._carries(frame) and _at_ms(frame) >= wish.since_ms:
                    newest.append(frame)
        for frame in newest:
            await self._send_again(frame)

    async def _catch_up(self, bookmark: Bookmark) -> None:
        """From memory if it reaches back so far, else from the log; and again what came
        meanwhile, if it was too much to hold."""
        feed, is_first = self._house.feed, True
        while is_first or self._held_too_much:
            is_first = self._held_too_much = False
            self._held.clear()
            frames = await feed.recent(self.who, self._heard, bookmark.now)
            upto = feed.told
            if frames is None:
                is_first, upto = True, await feed.place()
                async for frame in self._replay(self._heard):
                    if self._carries(frame):
                        await self._send_again(frame)
                        upto = max(upto, frame.cursor)
            for frame in frames or ():
                if self._carries(frame):
                    await self._send_again(frame)
            self._heard = max(self._heard, upto)

    def _replay(self, after: Cursor) -> AsyncIterator[Frame]:
        return self._house.feed.replay(
            self.who, after, events_max=self._house.limits.replayed_events
        )

    async def _resync(self) -> None:
        """The log does not reach back so far: say so, instead of leaving a silent hole."""
        self._heard = max(self._heard, await self._house.feed.place())
        payload = {"reason": "You were away for too long: start again from the snapshot."}
        text = writing.broadcast(self.line.version, self.topic.wire, RESYNC, payload)
        self.line.say(text, self, self._heard)

    async def _standing_offers(self, bookmark: Bookmark) -> Sequence[Frame]:
        """What is reserved for this mechanic now: told on every join, whatever was heard before."""
        if self.topic.kind is not Kind.MECHANIC:
            return ()
        return await self._house.standing_offers(self.who, bookmark)

    def _say_again(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            if self._carries(frame):
                self.line.say_bytes(self._encoded(frame, again=True))

    def _go_live(self) -> None:
        self.is_live = True
        held, self._held = self._held, deque()
        for frame in held:
            self._send(frame)

    def _send(self, frame: Frame) -> None:
        if frame.cursor <= self._heard:
            return
        self._heard = frame.cursor
        self.line.say_bytes(self._encoded(frame), self, frame.cursor)
        if self._loses_right_by(frame):
            self.line.fail(self, End.MATCH_RELEASED)

    async def _send_again(self, frame: Frame) -> None:
        cursor = frame.cursor if frame.cursor > self._heard else None
        self._heard = max(self._heard, frame.cursor)
        self.line.say_bytes(self._encoded(frame, again=True), self, cursor)
        await self.line.room()

    def _encoded(self, frame: Frame, *, again: bool = False) -> bytes:
        return self._house.encoded(self, frame, again=again)

    def _loses_right_by(self, frame: Frame) -> bool:
        """A mechanic follows a request for as long as they serve it."""
        released = frame.event == "request_released"
        return released and self.topic.kind is Kind.REQUEST and self.who.role is Role.MECHANIC


def _at_ms(frame: Frame) -> float:
    """When it happened (Unix, milliseconds)."""
    return datetime.fromisoformat(frame.payload["at"]).timestamp() * 1000
