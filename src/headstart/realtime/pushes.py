"""What clients may send. All else is refused by name: nobody can pretend to be the feed."""

from uuid import UUID

import structlog

from headstart.realtime.channel import Channel
from headstart.realtime.presences import Presences
from headstart.realtime.protocol import intents, writing
from headstart.realtime.topics import Kind
from headstart.telemetry import OFFERS_SEEN

OFFER_SEEN = "offer_seen"
_NO_OBJECT = "a payload is an object"
_NO_SESSION = "offer_seen names a session_id"

log = structlog.get_logger()


class Pushes:
    """``offer_seen`` from mechanics, and presence."""

    def __init__(self, presences: Presences) -> None:
        self._presences = presences

    def heed(self, channel: Channel, intent: intents.Intent) -> None:
        """One push on a channel that is held."""
        match intent:
            case intents.Broadcast():
                self._broadcast(channel, intent)
            case intents.Track(at=at, meta=meta):
                channel.line.start(self._presences.put(channel, at, meta))
            case intents.Untrack(at=at):
                channel.line.start(self._presences.put(channel, at, None))
            case _:
                event = intent.event if isinstance(intent, intents.Unknown) else "this"
                channel.line.refuse(intent.at, _not_here(event))

    def _broadcast(self, channel: Channel, push: intents.Broadcast) -> None:
        line = channel.line
        seen_here = channel.topic.kind in (Kind.FEED, Kind.MECHANIC)
        if not seen_here or push.event.lower() != OFFER_SEEN:
            line.refuse(push.at, _not_here(push.event))
        elif not isinstance(push.payload, dict):
            line.refuse(push.at, _NO_OBJECT)
        elif (session_id := _session_id(push.payload.get("session_id"))) is None:
            line.refuse(push.at, _NO_SESSION)
        else:
            OFFERS_SEEN.inc()
            log.info("offer_seen", mechanic=str(channel.who.id), session_id=str(session_id))
            version, config = line.version, channel.join.config
            if config.echo:
                text = writing.broadcast(version, push.at.topic, push.event, push.payload)
                line.say(text)
            if config.ack:
                line.say(writing.reply(version, push.at, "ok", {}))


def _not_here(event: str) -> str:
    return f"Unauthorized: {event[:64]} may not be sent here"


def _session_id(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
