"""Everything a web application or a command needs, put together by ``wiring``."""

from dataclasses import dataclass

from headstart.app.attendance import Attendance
from headstart.app.audit.checkpoints import Checkpoints
from headstart.app.cashier import Cashier
from headstart.app.deadlines import Deadlines
from headstart.app.dispatcher import Dispatcher
from headstart.app.feed import Feed
from headstart.app.fulfilment import Fulfilment
from headstart.app.intake import IntakeDesk
from headstart.app.ports import (
    MoneyTroubles,
    OperatorActions,
    People,
    Requests,
    Switchboard,
    Views,
)
from headstart.app.reconciler import Reconciler
from headstart.app.wakeups import Wakeups
from headstart.identity.bearers import Bearers
from headstart.identity.oidc import Provider
from headstart.identity.seals import Seals
from headstart.identity.sessions import Sessions
from headstart.identity.standing import Standing
from headstart.identity.tokens import Tokens
from headstart.realtime.hub import Hub
from headstart.realtime.publishing.publisher import Publisher
from headstart.settings import Settings


@dataclass(frozen=True, slots=True)
class MoneyLoops:
    """What carries out what is owed, and what finds what was forgotten."""

    cashier: Cashier
    reconciler: Reconciler


@dataclass(frozen=True, slots=True)
class Service:
    """Built once for a process."""

    settings: Settings
    requests: Requests
    switchboard: Switchboard
    people: People
    views: Views
    wakeups: Wakeups
    dispatcher: Dispatcher
    fulfilment: Fulfilment
    desk: IntakeDesk
    deadlines: Deadlines
    feed: Feed
    hub: Hub
    publisher: Publisher | None
    troubles: MoneyTroubles
    actions: OperatorActions
    money: MoneyLoops | None
    checkpoints: Checkpoints | None
    attendance: Attendance
    tokens: Tokens
    bearers: Bearers
    provider: Provider | None
    sessions: Sessions
    standing: Standing
    seals: Seals
    webhook_secrets: tuple[str, ...]
