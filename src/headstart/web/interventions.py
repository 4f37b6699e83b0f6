"""What an operator can do about a request. Each is offered only while the rules would accept it:
the page asks the very function that decides."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from headstart.app.ports import Seen
from headstart.core import commands
from headstart.core.commands import Actor, Command
from headstart.core.decide import decide
from headstart.core.refusals import Refusal
from headstart.core.request import MechanicId, RequestId

Order = Callable[[RequestId, Actor, MechanicId], Command]
NOBODY = MechanicId(UUID(int=0))  # for what names no mechanic


@dataclass(frozen=True, slots=True)
class Intervention:
    """One thing to do. ``said`` is what comes of it, ``sure`` what one has to tick, ``done`` what
    the page says afterwards. ``chooses``: it needs a mechanic."""

    path: str
    label: str
    said: str
    sure: str
    done: str
    kind: type[Command]
    order: Order
    dangerous: bool = False
    chooses: bool = False


def _plain(kind: Callable[[RequestId, Actor], Command]) -> Order:
    return lambda request_id, actor, _: kind(request_id, actor)


def _on_match(kind: Callable[[RequestId, None, Actor], Command]) -> Order:
    return lambda request_id, actor, _: kind(request_id, None, actor)


INTERVENTIONS = (
    Intervention(
        "broadcast",
        "Ask everyone",
        "The favourite’s time alone ends now, and every mechanic who is free is asked.",
        "Stop waiting for the favourite.",
        "Everyone is being asked.",
        commands.AskEveryone,
        _plain(commands.AskEveryone),
    ),
    Intervention(
        "extension",
        "Give the favourite more time",
        "They are asked alone for longer. Everybody else still has the time that is kept for them.",
        "Let the customer wait longer for their favourite.",
        "They have more time to answer.",
        commands.ExtendWindow,
        _plain(commands.ExtendWindow),
    ),
    Intervention(
        "assignment",
        "Give it to a mechanic",
        "They are matched at once, as if they had accepted; whoever was being asked alone is not"
        " waited for. Do it when they have agreed by other means.",
        "They have agreed to come.",
        "They are matched.",
        commands.AssignMechanic,
        lambda request_id, actor, mechanic: commands.AssignMechanic(request_id, mechanic, actor),
        chooses=True,
    ),
    Intervention(
        "release",
        "Send it out again",
        "The match is undone. Everybody else is asked, and the request keeps its age and its"
        " money. Whoever had it is not asked for it again.",
        "Take the job away from the mechanic who has it.",
        "The match is undone, and everybody else is being asked.",
        commands.ReleaseMatch,
        _on_match(commands.ReleaseMatch),
    ),
    Intervention(
        "completion",
        "Mark it as done",
        "The session is over: the mechanic is free for another job.",
        "The session has taken place.",
        "The session is marked as done.",
        commands.CompleteSession,
        _on_match(commands.CompleteSession),
    ),
    Intervention(
        "cancellation",
        "Cancel and give the money back",
        "The request ends. Whatever was held is let go, whatever was paid is refunded, and nobody"
        " comes. This cannot be undone.",
        "End it for good, and give the money back.",
        "The request is cancelled. Whatever was held or paid goes back.",
        commands.CancelRequest,
        _plain(commands.CancelRequest),
        dangerous=True,
    ),
)


def possible(
    seen: Seen, request_id: RequestId, actor: Actor, mechanics: Sequence[MechanicId]
) -> Iterator[tuple[Intervention, Sequence[MechanicId]]]:
    """Those that would do something now, and for which of these mechanics, whom ``seen`` knows."""
    for one in INTERVENTIONS:
        whom = [
            mechanic
            for mechanic in (mechanics if one.chooses else (NOBODY,))
            if _does_something(seen, one.order(request_id, actor, mechanic))
        ]
        if whom:
            yield one, whom if one.chooses else ()


def _does_something(seen: Seen, command: Command) -> bool:
    answer = decide(seen.request, command, seen.facts, now=seen.now)
    return bool(answer) and not isinstance(answer, Refusal)
