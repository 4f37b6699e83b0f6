"""The card of rules, written by the rules themselves.

``python -m headstart.lab.card > docs/reference/rules-card.md`` writes the page, and a test compares
it: what the page says is what ``decide`` does.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from headstart.core import commands
from headstart.core import events as happened
from headstart.core.decide import Events, decide
from headstart.core.evolve import evolve
from headstart.core.facts import Facts, MechanicFacts
from headstart.core.policy import OfflinePolicy, Policy
from headstart.core.refusals import Refusal
from headstart.core.request import (
    ChainStep,
    CustomerId,
    IntakeId,
    MechanicId,
    RequestId,
    RoutingType,
    SessionRequest,
)

HOLDER, NEXT, OTHER = (MechanicId(UUID(int=number)) for number in (1, 2, 3))
REQUEST = RequestId(UUID(int=4))
START = datetime(2025, 11, 2, 12, 0, tzinfo=UTC)
IN_THE_WINDOW = START + timedelta(minutes=5)

POLICY = Policy(
    priority_enabled=True,
    offline=OfflinePolicy.WAIT,
    offline_window=timedelta(minutes=2),
    overall_limit=timedelta(minutes=60),
    broadcast_minimum=timedelta(minutes=20),
    join_limit=timedelta(minutes=15),
)
FIT = MechanicFacts(approved=True, busy=False, online=True, favorite=True)
SUSPENDED = replace(FIT, approved=False)
BUSY = replace(FIT, busy=True)
OFFLINE = replace(FIT, online=False)
CUSTOMER, OPERATOR, MECHANIC = (commands.Actor(role) for role in ("customer", "operator", "m"))

INTRODUCTION = """\
# The rules on one card

This page is written by the rules: `python -m headstart.lab.card` asks `decide` what each command
does to a request in each state. **P** is the favourite whose turn it is, **W** the winner. *No* is
a named, polite refusal. *Same again* and *nothing* change nothing, so every command may be
repeated; only more time is more time, each time it is asked for without the same key.
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """A request, if there is one, in a world where ``holder`` is all that is special."""

    request: SessionRequest | None = None
    holder: MechanicFacts = FIT
    now: datetime = IN_THE_WINDOW
    readable: bool = True

    def answer(self, command: commands.Command) -> Events | Refusal:
        """What the rules say."""
        everybody = {HOLDER: self.holder, NEXT: FIT, OTHER: FIT}
        facts = Facts(everybody) if self.readable else Facts(failed=True)
        return decide(self.request, command, facts, now=self.now)

    def after(self, command: commands.Command) -> "Scene":
        """The scene that follows."""
        events = self.answer(command)
        assert not isinstance(events, Refusal), events
        return replace(self, request=evolve(REQUEST, self.request, events, at=self.now))

    def when_due(self) -> "Scene":
        """The same at the deadline, if there is one."""
        due_at = self.request and self.request.due_at
        return replace(self, now=due_at or self.now)


def _ask(
    *favorites: MechanicId,
    policy: Policy = POLICY,
    routing_type: RoutingType = RoutingType.PRIORITY_BROADCAST,
) -> commands.RequestSession:
    return commands.RequestSession(
        request_id=REQUEST,
        customer=CustomerId(UUID(int=5)),
        intake=IntakeId(UUID(int=6)),
        plan="standard",
        payment=commands.Payment(),
        routing_type=routing_type,
        chain=tuple(ChainStep(favorite, timedelta(minutes=10)) for favorite in favorites),
        policy=policy,
    )


def _offline(policy: OfflinePolicy) -> Policy:
    return replace(POLICY, offline=policy)


ACCEPT, DECLINE, RELEASE, JOIN, COMPLETE = (
    {"holder": order(REQUEST, HOLDER, MECHANIC), "others": order(REQUEST, OTHER, MECHANIC)}
    for order in (
        commands.AcceptOffer,
        commands.DeclineOffer,
        commands.ReleaseMatch,
        commands.JoinSession,
        commands.CompleteSession,
    )
)
ASSIGN = {
    "holder": commands.AssignMechanic(REQUEST, HOLDER, OPERATOR),
    "others": commands.AssignMechanic(REQUEST, OTHER, OPERATOR),
}
ASK_EVERYONE = commands.AskEveryone(REQUEST, CUSTOMER)
EXTEND = commands.ExtendWindow(REQUEST, CUSTOMER)
CANCEL = commands.CancelRequest(REQUEST, CUSTOMER)
DEADLINE = commands.EnforceDeadline(REQUEST)
REVIEW = commands.ReviewReservation(REQUEST)


# The card: commands down, states across ------------------------------------------------------

NONE = Scene(now=START)
RESERVED = NONE.after(_ask(HOLDER))
RESERVED_WITH_NEXT = NONE.after(_ask(HOLDER, NEXT))
OPEN = NONE.after(_ask())
MATCHED = OPEN.after(ACCEPT["holder"])


@dataclass(frozen=True, slots=True)
class State:
    """A column: its heading, what the special mechanic is called there, and who stands for it."""

    heading: str
    holder: str
    scenes: Sequence[Scene]


@dataclass(frozen=True, slots=True)
class Row:
    """A command, as given by different people or with different contents."""

    heading: str
    variants: Mapping[str, commands.Command]
    holder: MechanicFacts = FIT
    due: bool = False


STATES = (
    State("(none)", "", [NONE]),
    State("reserved for P", "P", [RESERVED_WITH_NEXT, RESERVED]),
    State("open", "", [OPEN]),
    State("matched by W", "W", [MATCHED]),
    State("completed by W", "W", [MATCHED.after(COMPLETE["holder"])]),
    State("unfilled", "", [OPEN.when_due().after(DEADLINE)]),
    State("cancelled", "", [OPEN.after(CANCEL)]),
)
ROWS = (
    Row("RequestSession", {"a favourite who can be asked": _ask(HOLDER), "otherwise": _ask()}),
    Row("AcceptOffer", ACCEPT),
    Row("DeclineOffer", DECLINE),
    Row("AskEveryone", {"": ASK_EVERYONE}),
    Row("ExtendWindow", {"": EXTEND}),
    Row("AssignMechanic", ASSIGN),
    Row("CancelRequest", {"": CANCEL}),
    Row("ReleaseMatch", RELEASE),
    Row("JoinSession", JOIN),
    Row(
        "CompleteSession",
        {**COMPLETE, "an operator": commands.CompleteSession(REQUEST, None, OPERATOR)},
    ),
    Row("EnforceDeadline (due)", {"": DEADLINE}, due=True),
    Row("ReviewReservation (P is suspended)", {"": REVIEW}, holder=SUSPENDED),
)


def _cell(row: Row, state: State) -> str:
    """Who gets which answer; names are left out where everybody gets the same."""
    names: dict[str, list[str]] = {}
    for name, command in row.variants.items():
        scenes = [replace(scene, now=IN_THE_WINDOW, holder=row.holder) for scene in state.scenes]
        scenes = [scene.when_due() if row.due else scene for scene in scenes]
        words = ", or ".join(dict.fromkeys(_in_words(scene, command) for scene in scenes))
        names.setdefault(words, []).append(state.holder if name == "holder" else name)
    if len(names) == 1:
        return next(iter(names))
    return "<br>".join(f"{', '.join(who)}: {words}" for words, who in names.items())


# The lists below the card --------------------------------------------------------------------

SHORTEN, SKIP = _offline(OfflinePolicy.SHORTEN), _offline(OfflinePolicy.SKIP)
PLAIN = _ask(HOLDER, routing_type=RoutingType.BROADCAST)
FLAG_OFF = _ask(HOLDER, policy=replace(POLICY, priority_enabled=False))

CREATION = {
    "a favourite who can be asked": (NONE, _ask(HOLDER)),
    "the flag is off": (NONE, FLAG_OFF),
    "the routing type is `broadcast`": (NONE, PLAIN),
    "no favourite is named": (NONE, _ask()),
    "not a favourite of this customer": (
        replace(NONE, holder=replace(FIT, favorite=False)),
        _ask(HOLDER),
    ),
    "not approved": (replace(NONE, holder=SUSPENDED), _ask(HOLDER)),
    "busy with another match": (replace(NONE, holder=BUSY), _ask(HOLDER)),
    "offline, policy `wait`": (replace(NONE, holder=OFFLINE), _ask(HOLDER)),
    "offline, policy `shorten`": (replace(NONE, holder=OFFLINE), _ask(HOLDER, policy=SHORTEN)),
    "offline, policy `skip`": (replace(NONE, holder=OFFLINE), _ask(HOLDER, policy=SKIP)),
    "whoever cannot be asked, and a next favourite who can": (
        replace(NONE, holder=BUSY),
        _ask(HOLDER, NEXT),
    ),
    "the facts cannot be read": (replace(NONE, readable=False), _ask(HOLDER)),
}
RESERVED_SHORTEN = NONE.after(_ask(HOLDER, policy=SHORTEN))
CROWDED = NONE.after(_ask(HOLDER, policy=replace(POLICY, broadcast_minimum=timedelta(minutes=49))))
RESERVED_SKIP = NONE.after(_ask(HOLDER, policy=SKIP))
SHORTENED = replace(RESERVED_SHORTEN, holder=OFFLINE).after(REVIEW)

WINDOW = {
    "P accepts": (RESERVED, ACCEPT["holder"]),
    "P declines": (RESERVED, DECLINE["holder"]),
    "the deadline passes": (RESERVED.when_due(), DEADLINE),
    "the customer asks everyone": (RESERVED, ASK_EVERYONE),
    "an operator asks everyone": (RESERVED, commands.AskEveryone(REQUEST, OPERATOR)),
    "somebody gives P more time": (RESERVED, EXTEND),
    "… a third time": (RESERVED.after(EXTEND).after(EXTEND), EXTEND),
    "… and no time is left for it": (CROWDED, EXTEND),
    "… when the window is over": (RESERVED.when_due(), EXTEND),
    "an operator assigns another mechanic": (RESERVED, ASSIGN["others"]),
    "the customer cancels": (RESERVED, CANCEL),
    "P is suspended": (replace(RESERVED, holder=SUSPENDED), REVIEW),
    "P is matched elsewhere": (replace(RESERVED, holder=BUSY), REVIEW),
    "P goes off duty, policy `wait`": (replace(RESERVED, holder=OFFLINE), REVIEW),
    "P goes off duty, policy `shorten`": (replace(RESERVED_SHORTEN, holder=OFFLINE), REVIEW),
    "… and is still away when that passes": (SHORTENED.when_due(), DEADLINE),
    "P goes off duty, policy `skip`": (replace(RESERVED_SKIP, holder=OFFLINE), REVIEW),
}
SILENT = RESERVED.when_due().after(DEADLINE)

OPEN_ACCEPTS = {
    "anybody approved, without a match": (OPEN, ACCEPT["others"]),
    "the favourite who let the window pass": (SILENT, ACCEPT["holder"]),
    "the favourite who declined": (RESERVED.after(DECLINE["holder"]), ACCEPT["holder"]),
    "who declined the broadcast": (OPEN.after(DECLINE["others"]), ACCEPT["others"]),
    "who had it and withdrew": (MATCHED.after(RELEASE["holder"]), ACCEPT["holder"]),
    "who had it and did not join": (MATCHED.when_due().after(DEADLINE), ACCEPT["holder"]),
    "not approved": (replace(OPEN, holder=SUSPENDED), ACCEPT["holder"]),
    "busy with another match": (replace(OPEN, holder=BUSY), ACCEPT["holder"]),
}


def render_card() -> str:
    """The whole page, in Markdown."""
    card = ([row.heading, *(_cell(row, state) for state in STATES)] for row in ROWS)
    return "\n".join(
        [
            INTRODUCTION,
            _table(["", *(state.heading for state in STATES)], card),
            _list("When it is created", "the favourite named", CREATION),
            _list("While it is reserved for P, the only favourite", "what happens", WINDOW),
            _list("While it is open, somebody accepts", "who", OPEN_ACCEPTS),
        ]
    )


def _list(title: str, what: str, cases: Mapping[str, tuple[Scene, commands.Command]]) -> str:
    rows = ([name, _in_words(scene, command)] for name, (scene, command) in cases.items())
    return f"## {title}\n\n{_table([what, 'answer'], rows)}"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


# The words -----------------------------------------------------------------------------------


def _in_words(scene: Scene, command: commands.Command) -> str:
    answer = scene.answer(command)
    if isinstance(answer, Refusal):
        return f"no: {_no(answer)}"
    return _yes(answer) if answer else _unchanged(command)


def _no(refusal: Refusal) -> str:
    short = refusal.removeprefix("already_").removesuffix("_request")
    return short.replace("_", " ")


def _unchanged(command: commands.Command) -> str:
    """Had this command its effect before, or has it none here?"""
    repeats = (
        commands.RequestSession
        | commands.AcceptOffer
        | commands.AssignMechanic
        | commands.CancelRequest
    )
    ends = commands.ReleaseMatch | commands.JoinSession | commands.CompleteSession
    return "same again" if isinstance(command, repeats | ends) else "nothing"


def _yes(events: Events) -> str:
    match events[-1]:
        case happened.RequestReserved(shortened=True):
            return "reserved, for a shorter window"
        case happened.RequestReserved(step=step):
            return "next in chain" if step else "reserved"
        case happened.RequestOpened(fallback=None):
            undone = next((e for e in events if isinstance(e, happened.MatchReleased)), None)
            return f"open again ({undone.reason})" if undone else "open"
        case happened.RequestOpened(fallback=reason):
            return f"open ({reason})"
        case last:
            return WORDS[type(last)]


WORDS: dict[type[happened.Event], str] = {
    happened.RequestMatched: "matched",
    happened.OfferDeclined: "noted, not asked again",
    happened.WindowShortened: "reserved, for a shorter window",
    happened.WindowExtended: "reserved, for longer",
    happened.MechanicJoined: "joined: no more deadline",
    happened.SessionCompleted: "completed",
    happened.RequestCancelled: "cancelled",
    happened.RequestUnfilled: "unfilled",
}


if __name__ == "__main__":
    sys.stdout.write(render_card())
