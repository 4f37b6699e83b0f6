"""Who is told: the socket, and whatever else carries the news."""

from typing import TYPE_CHECKING
from uuid import uuid4

from headstart.app.feed import Feed
from headstart.app.wakeups import Wakeups
from headstart.realtime.hub import Hub
from headstart.realtime.receipts import ReceiptBook
from headstart.realtime.rights import Rights
from headstart.settings import Settings
from headstart.store.log import EventLogStore
from headstart.store.presences import PresenceStore
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
