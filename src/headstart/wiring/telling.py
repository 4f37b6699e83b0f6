"""Who is told: the socket, and whatever else carries the news."""

from typing import TYPE_CHECKING
from uuid import uuid4

from headstart.app.feed import Feed
from headstart.app.wakeups import Wakeups
from headstart.nodes.nats_line import NatsLine
from headstart.realtime.hub import Hub
from headstart.realtime.publishing.project import Project
from headstart.realtime.publishing.publisher import Publisher
from headstart.realtime.receipts import ReceiptBook
from headstart.realtime.rights import Rights
from headstart.settings import Settings
from headstart.store.listener import Listener
from headstart.store.log import EventLogStore
from headstart.store.presences import PresenceStore
from headstart.store.publications import PublicationStore
from headstart.store.receipts import ReceiptStore
from headstart.store.requests import RequestStore
from headstart.web.door import TokenDoor
from headstart.wiring.identity import Speaking, real_time

if TYPE_CHECKING:
    from headstart.store.postgres import Pool


def hub(settings: Settings, feed: Feed, pool: "Pool", wakeups: Wakeups, speaking: Speaking) -> Hub:
    """The socket's side of the feed."""
    seals = speaking["seals"]
    event_log, receipts = EventLogStore(pool), ReceiptStore(pool)
    return Hub(
        feed,
        event_log,
        Rights(event_log, RequestStore(pool)),
        receipts,
        ReceiptBook(receipts, uuid4()),
        TokenDoor(speaking["bearers"], speaking["standing"]),
        PresenceStore(pool),
        wakeups,
        lease_s=settings.presence_lease_s,
        name=lambda cursor: seals.name(cursor.xid, cursor.id),
        now=real_time,
    )


def publisher(
    settings: Settings, own: "Pool", wakeups: Wakeups, speaking: Speaking
) -> Publisher | None:
    """None where there is no project to publish into."""
    if settings.supabase_url is None or settings.supabase_key is None:
        return None
    seals, log = speaking["seals"], PublicationStore(own)
    return Publisher(
        log,
        log,
        Project(settings.supabase_url, settings.supabase_key.get_secret_value()),
        wakeups,
        uuid4(),
        name=lambda cursor: seals.name(cursor.xid, cursor.id),
        per_s=settings.supabase_messages_per_s,
    )


def line_between_processes(settings: Settings, dsn: str, wakeups: Wakeups) -> NatsLine | Listener:
    """What carries wake-ups to the other processes, and theirs to us."""
    if settings.nats_servers:
        return NatsLine(settings.nats_servers, wakeups, uuid4())
    return Listener(settings.listen_url or dsn, wakeups)
