"""Who may do what, as a reference: the table of the code, and what people are answered by it."""

from collections.abc import Sequence

from fastapi import FastAPI

from headstart.core.access import Operation, Relation, Role
from headstart.lab import canaries, socket_walls, walls
from headstart.lab.reference_tables import code, table
from headstart.realtime.reasons import JoinRefusal
from headstart.web import demo
from headstart.web.app import ROUTERS
from headstart.web.doors import FILES, doors_of

_ANY = ~Relation(0)


def operations_part() -> str:
    """The table itself."""
    rows = [
        [code(one.label), *(_being(one.allowed[role]) for role in (None, *Role))]
        for one in Operation
    ]
    return table(["operation", "nobody", *(role.value for role in Role)], rows)


def _being(allowed: Relation) -> str:
    if allowed == _ANY:
        return "**may**"
    return ", ".join(str(one.name).lower() for one in Relation if one in allowed) or "–"


def doors_part() -> str:
    """Every route, with the operation it names."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for router in (*ROUTERS, demo.router):
        app.include_router(router)
    rows = [
        [code(operation.label), code(f"{method} {path}")]
        for method, path, named in doors_of(app)
        for operation in named
        if path not in FILES
    ]
    order = [one.label for one in Operation]
    rows.sort(key=lambda row: (order.index(row[0].strip("`")), row[1]))
    return table(["operation", "route"], rows)


def words_part() -> str:
    """What people, states and words in the tables of answers mean."""
    people = table(["row", "who"], [[f"**{name}**", who] for name, who in walls.PEOPLE.items()])
    states = table(["column", "state"], [[f"**{name}**", of] for name, of in walls.STATES.items()])
    said = [[word, _meaning(one)] for word, one in walls.WORDS.items()]
    return f"{people}\n\n{states}\n\n{table(['cell', 'answer'], said)}"


def _meaning(said: walls.Said) -> str:
    if said.code:
        return f"{said.status.value} {code(said.code)}"
    changed = {None: "", True: ", and it is done", False: ", and nothing was left to do"}
    return f"{said.status.value}{changed[said.changed]}"


def answers_part() -> str:
    """One table for each route of a request."""
    told = [f"### {code(route)}\n\n{_written(text)}" for route, text in walls.ANSWERS.items()]
    return "\n\n".join(told)


def listed_part() -> str:
    """Where a request is listed for whom, and what of it a stream tells."""
    kinds = table(["word", "event"], [[word, code(name)] for word, name in walls.TOLD.items()])
    told = "\n\n".join(_written(one) for one in (walls.NEWS, walls.NEWS_OF_THE_END))
    return f"{_written(walls.LISTED)}\n\nAnd of what they are told:\n\n{told}\n\n{kinds}"


def socket_part() -> str:
    """What everybody may join, hear and say on the socket."""
    joins = [[word, _refused(reason)] for word, reason in socket_walls.WORDS.items()]
    said = [
        [word, ", ".join(code(one) for one in sorted(what)) or "nothing"]
        for word, what in socket_walls.SAID.items()
    ]
    return "\n\n".join(
        [
            f"Joining a topic:\n\n{_written(socket_walls.TOPICS)}",
            f"Joining `session_request:{{id}}`:\n\n{_written(socket_walls.REQUESTS)}",
            table(["cell", "answer"], joins),
            f"Hearing on `mechanic:{{id}}`:\n\n{_written(socket_walls.OWN_NEWS)}",
            f"Saying:\n\n{_written(socket_walls.SAYS)}",
            table(["cell", "is not refused"], said),
        ]
    )


def _refused(reason: JoinRefusal | None) -> str:
    return f"refused: `{reason}`" if reason else "`ok`"


def walk_part() -> str:
    """Every other route."""
    return f"{_written(walls.WALK)}\n\nIn production:\n\n{_written(walls.WALK_IN_PRODUCTION)}"


def private_part() -> str:
    """Where what is private may be read, and by whom."""
    rows = [
        [code(route), role.value, ", ".join(sorted(_PRIVATE[one] for one in what))]
        for route, roles in canaries.ENTITLED.items()
        for role, what in roles.items()
    ]
    return table(["route", "role", "what"], rows)


_PRIVATE = {
    canaries.SURNAME: "surname",
    canaries.ACCOUNT: "e-mail",
    canaries.PHONE: "phone",
    canaries.CONTACT: "e-mail of the intake",
    canaries.CALL: "phone of the intake",
    canaries.CHECKOUT: "id of the payment page",
    canaries.PAYMENT: "ids of payments",
}


def _written(text: str) -> str:
    """A table of ``lab.walls`` as it stands there."""
    header, *lines = [line.strip() for line in text.splitlines() if line.strip()]
    columns = header.split()[1:]
    rows: list[Sequence[str]] = []
    for line in lines:
        name, *words = line.rsplit(None, len(columns))
        rows.append([code(name) if " " in name else f"**{name}**", *words])
    return table(["", *columns], rows)
