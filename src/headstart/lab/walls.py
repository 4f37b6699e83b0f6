"""What everybody is answered, cell by cell: written by hand, and by nobody who asked the code.

``tests/walls`` asks the running service each of these cells; the reference shows them. Rows are
people, columns are what the request has come to, and a dash is somebody whom that story lacks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from headstart.core.access import Role

STATES: Mapping[str, str] = {
    "never": "an id that was never given",
    "held": "reserved for the favourite",
    "open": "open to everybody from the start; the decliner said no",
    "fallen": "open after the favourite's turn; the decliner said no",
    "matched": "the same, and then the winner accepted",
    "taken": "the favourite accepted while it was reserved",
    "done": "matched, and the session is over",
    "unfilled": "open, and nobody accepted",
    "cancelled": "open, and its customer cancelled",
    "withdrawn": "reserved, and its customer cancelled",
}

PEOPLE: Mapping[str, str] = {
    "nobody": "who has not signed in",
    "customer": "whose request it is",
    "stranger": "another customer",
    "favourite": "the mechanic who is the customer's favourite",
    "winner": "the mechanic who accepted it once it was open",
    "decliner": "a mechanic who said no to it",
    "mechanic": "any other mechanic",
    "suspended": "a mechanic who was suspended after it was opened",
    "dropped": "the winner, suspended since",
    "operator": "an operator",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What a word in a cell stands for."""

    status: HTTPStatus
    code: str | None = None  # of the problem; None for a success
    changed: bool | None = None  # whether the command had something to do


WORDS: Mapping[str, Said] = {
    "sees": Said(HTTPStatus.OK),
    "yes": Said(HTTPStatus.OK, changed=True),
    "same": Said(HTTPStatus.OK, changed=False),
    "401": Said(HTTPStatus.UNAUTHORIZED, "unauthenticated"),
    "403": Said(HTTPStatus.FORBIDDEN, "forbidden"),
    "404": Said(HTTPStatus.NOT_FOUND, "unknown_request"),
    "taken": Said(HTTPStatus.CONFLICT, "already_matched"),
    "gone": Said(HTTPStatus.GONE, "gone"),
    "declined": Said(HTTPStatus.CONFLICT, "already_declined"),
    "foreign": Said(HTTPStatus.FORBIDDEN, "not_yours"),
    "alone": Said(HTTPStatus.CONFLICT, "not_reserved"),
    "unmatched": Said(HTTPStatus.CONFLICT, "not_matched"),
}

# What is asked of one request over the API; the pages ask the same. See PAGES.
ANSWERS: Mapping[str, str] = {
    "GET /api/v1/session-requests/{request_id}": """
  .          never held open fallen matched taken done unfilled cancelled withdrawn
  nobody     401   401  401  401    401     401   401  401      401       401
  customer   404   sees sees sees   sees    sees  sees sees     sees      sees
  stranger   404   404  404  404    404     404   404  404      404       404
  favourite  404   sees sees sees   sees    sees  sees sees     sees      sees
  winner     -     -    -    -      sees    -     sees -        -         -
  decliner   -     -    sees sees   sees    -     sees sees     sees      -
  mechanic   404   404  sees sees   sees    404   sees sees     sees      404
  suspended  404   404  404  404    404     404   404  404      404       404
  dropped    -     -    -    -      sees    -     sees -        -         -
  operator   404   sees sees sees   sees    sees  sees sees     sees      sees
  """,
    "POST /api/v1/session-requests/{request_id}/acceptance": """
  .          never held open     fallen   matched taken done unfilled cancelled withdrawn
  nobody     401   401  401      401      401     401   401  401      401       401
  customer   403   403  403      403      403     403   403  403      403       403
  stranger   403   403  403      403      403     403   403  403      403       403
  favourite  404   yes  yes      yes      taken   same  gone gone     gone      gone
  winner     -     -    -        -        same    -     gone -        -         -
  decliner   -     -    declined declined taken   -     gone gone     gone      -
  mechanic   404   404  yes      yes      taken   404   gone gone     gone      404
  suspended  404   404  404      404      404     404   404  404      404       404
  dropped    -     -    -        -        same    -     gone -        -         -
  operator   403   403  403      403      403     403   403  403      403       403
  """,
    "POST /api/v1/session-requests/{request_id}/declination": """
  .          never held open fallen matched taken done unfilled cancelled withdrawn
  nobody     401   401  401  401    401     401   401  401      401       401
  customer   403   403  403  403    403     403   403  403      403       403
  stranger   403   403  403  403    403     403   403  403      403       403
  favourite  404   yes  yes  yes    same    same  same same     same      same
  winner     -     -    -    -      same    -     same -        -         -
  decliner   -     -    same same   same    -     same same     same      -
  mechanic   404   404  yes  yes    same    404   same same     same      404
  suspended  404   404  404  404    404     404   404  404      404       404
  dropped    -     -    -    -      same    -     same -        -         -
  operator   403   403  403  403    403     403   403  403      403       403
  """,
    "POST /api/v1/session-requests/{request_id}/broadcast": """
  .          never held open fallen matched taken done unfilled cancelled withdrawn
  nobody     401   401  401  401    401     401   401  401      401       401
  customer   404   yes  same same   taken   taken gone gone     gone      gone
  stranger   404   404  404  404    404     404   404  404      404       404
  favourite  403   403  403  403    403     403   403  403      403       403
  winner     -     -    -    -      403     -     403  -        -         -
  decliner   -     -    403  403    403     -     403  403      403       -
  mechanic   403   403  403  403    403     403   403  403      403       403
  suspended  403   403  403  403    403     403   403  403      403       403
  dropped    -     -    -    -      403     -     403  -        -         -
  operator   404   yes  same same   taken   taken gone gone     gone      gone
  """,
    "POST /api/v1/session-requests/{request_id}/extension": """
  .          never held open  fallen matched taken done unfilled cancelled withdrawn
  nobody     401   401  401   401    401     401   401  401      401       401
  customer   404   yes  alone alone  taken   taken gone gone     gone      gone
  stranger   404   404  404   404    404     404   404  404      404       404
  favourite  403   403  403   403    403     403   403  403      403       403
  winner     -     -    -     -      403     -     403  -        -         -
  decliner   -     -    403   403    403     -     403  403      403       -
  mechanic   403   403  403   403    403     403   403  403      403       403
  suspended  403   403  403   403    403     403   403  403      403       403
  dropped    -     -    -     -      403     -     403  -        -         -
  operator   404   yes  alone alone  taken   taken gone gone     gone      gone
  """,
    "POST /api/v1/session-requests/{request_id}/assignment": """
  .          never held open fallen matched taken done unfilled cancelled withdrawn
  nobody     401   401  401  401    401     401   401  401      401       401
  customer   403   403  403  403    403     403   403  403      403       403
  stranger   403   403  403  403    403     403   403  403      403       403
  favourite  403   403  403  403    403     403   403  403      403       403
  winner     -     -    -    -      403     -     403  -        -         -
  decliner   -     -    403  403    403     -     403  403      403       -
  mechanic   403   403  403  403    403     403   403  403      403       403
  suspended  403   403  403  403    403     403   403  403      403       403
  dropped    -     -    -    -      403     -     403  -        -         -
  operator   404   yes  yes  yes    taken   taken gone gone     gone      gone
  """,
    "POST /api/v1/session-requests/{request_id}/cancellation": """
  .          never held open fallen matched taken done unfilled cancelled withdrawn
  nobody     401   401  401  401    401     401   401  401      401       401
  customer   404   yes  yes  yes    taken   taken gone gone     same      same
  stranger   404   404  404  404    404     404   404  404      404       404
  favourite  403   403  403  403    403     403   403  403      403       403
  winner     -     -    -    -      403     -     403  -        -         -
  decliner   -     -    403  403    403     -     403  403      403       -
  mechanic   403   403  403  403    403     403   403  403      403       403
  suspended  403   403  403  403    403     403   403  403      403       403
  dropped    -     -    -    -      403     -     403  -        -         -
  operator   404   yes  yes  yes    yes     yes   gone gone     same      same
  """,
    "POST /api/v1/session-requests/{request_id}/release": """
  .          never held      open      fallen    matched taken done unfilled cancelled withdrawn
  nobody     401   401       401       401       401     401   401  401      401       401
  customer   403   403       403       403       403     403   403  403      403       403
  stranger   403   403       403       403       403     403   403  403      403       403
  favourite  404   foreign   foreign   foreign   foreign yes   gone gone     gone      gone
  winner     -     -         -         -         yes     -     gone -        -         -
  decliner   -     -         same      same      same    -     gone gone     gone      -
  mechanic   404   404       foreign   foreign   foreign 404   gone gone     gone      404
  suspended  404   404       404       404       404     404   404  404      404       404
  dropped    -     -         -         -         yes     -     gone -        -         -
  operator   404   unmatched unmatched unmatched yes     yes   gone gone     gone      gone
  """,
    "POST /api/v1/session-requests/{request_id}/arrival": """
  .          never held    open    fallen  matched taken   done    unfilled cancelled withdrawn
  nobody     401   401     401     401     401     401     401     401      401       401
  customer   403   403     403     403     403     403     403     403      403       403
  stranger   403   403     403     403     403     403     403     403      403       403
  favourite  404   foreign foreign foreign foreign yes     foreign foreign  foreign   foreign
  winner     -     -       -       -       yes     -       same    -        -         -
  decliner   -     -       foreign foreign foreign -       foreign foreign  foreign   -
  mechanic   404   404     foreign foreign foreign 404     foreign foreign  foreign   404
  suspended  404   404     404     404     404     404     404     404      404       404
  dropped    -     -       -       -       yes     -       same    -        -         -
  operator   403   403     403     403     403     403     403     403      403       403
  """,
    "POST /api/v1/session-requests/{request_id}/completion": """
  .          never held      open      fallen    matched taken done    unfilled cancelled withdrawn
  nobody     401   401       401       401       401     401   401     401      401       401
  customer   403   403       403       403       403     403   403     403      403       403
  stranger   403   403       403       403       403     403   403     403      403       403
  favourite  404   unmatched unmatched unmatched foreign yes   foreign gone     gone      gone
  winner     -     -         -         -         yes     -     same    -        -         -
  decliner   -     -         unmatched unmatched foreign -     foreign gone     gone      -
  mechanic   404   404       unmatched unmatched foreign 404   foreign gone     gone      404
  suspended  404   404       404       404       404     404   404     404      404       404
  dropped    -     -         -         -         yes     -     same    -        -         -
  operator   404   unmatched unmatched unmatched yes     yes   same    gone     gone      gone
  """,
    "GET /admin/requests/{request_id}": """
  .          never held open fallen matched taken done unfilled cancelled withdrawn
  nobody     401   401  401  401    401     401   401  401      401       401
  customer   403   403  403  403    403     403   403  403      403       403
  stranger   403   403  403  403    403     403   403  403      403       403
  favourite  403   403  403  403    403     403   403  403      403       403
  winner     -     -    -    -      403     -     403  -        -         -
  decliner   -     -    403  403    403     -     403  403      403       -
  mechanic   403   403  403  403    403     403   403  403      403       403
  suspended  403   403  403  403    403     403   403  403      403       403
  dropped    -     -    -    -      403     -     403  -        -         -
  operator   404   sees sees sees   sees    sees  sees sees     sees      sees
  """,
}

# A page answers as the API does, but only its own role: 403 for everybody else who has signed in.
# Its forms lead back to the page, which says what was done or, with a refusal's code, why not.
_API = "/api/v1/session-requests/{request_id}"
PAGES: Mapping[str, tuple[str, Role]] = {
    "GET /requests/{request_id}": (f"GET {_API}", Role.CUSTOMER),
    "POST /requests/{request_id}/broadcast": (f"POST {_API}/broadcast", Role.CUSTOMER),
    "POST /requests/{request_id}/extension": (f"POST {_API}/extension", Role.CUSTOMER),
    "POST /requests/{request_id}/cancellation": (f"POST {_API}/cancellation", Role.CUSTOMER),
    "POST /mechanic/offers/{request_id}/acceptance": (f"POST {_API}/acceptance", Role.MECHANIC),
    "POST /mechanic/offers/{request_id}/declination": (f"POST {_API}/declination", Role.MECHANIC),
    "POST /mechanic/job/{request_id}/release": (f"POST {_API}/release", Role.MECHANIC),
    "POST /mechanic/job/{request_id}/completion": (f"POST {_API}/completion", Role.MECHANIC),
    **{
        f"POST /admin/requests/{{request_id}}/{what}": (f"POST {_API}/{what}", Role.OPERATOR)
        for what in (
            *("broadcast", "extension", "assignment", "release", "completion", "cancellation"),
        )
    },
}

# Where it is listed: by GET /offers, GET /session-requests, and the snapshot of a stream, which the
# suspended may not open.
LISTED = """
    .          held   open   fallen matched taken  done   unfilled cancelled withdrawn
    customer   listed listed listed listed  listed listed listed   listed    listed
    stranger   no     no     no     no      no     no     no       no        no
    favourite  offer  offer  offer  no      job    no     no       no        no
    winner     -      -      -      job     -      no     -        -         -
    decliner   -      no     no     no      -      no     no       no        -
    mechanic   no     offer  offer  no      no     no     no       no        no
    suspended  no     no     no     no      no     no     no       no        no
    dropped    -      -      -      job     -      no     -        -         -
    operator   no     no     no     no      no     no     no       no        no
"""

# What a stream tells, in order; one that resumes later tells the same.
NEWS = """
    .          held  open fallen         matched             taken
    customer   held  new  held+ended+new held+ended+new+won  held+won
    stranger   no    no   no             no                  no
    favourite  asked new  asked+ended    asked+ended+won     asked+won
    winner     -     -    -              new+won             -
    decliner   -     new  new            new+won             -
    mechanic   no    new  new            new+won             no
    suspended  no    no   no             no                  no
    dropped    -     -    -              no                  -
    operator   held  new  held+ended+new held+ended+new+won  held+won
"""
NEWS_OF_THE_END = """
    .          done                     unfilled                cancelled withdrawn
    customer   held+ended+new+won+over  held+ended+new+unfilled new+off   held+off
    stranger   no                       no                      no        no
    favourite  asked+ended+won          asked+ended+unfilled    new+off   asked+off
    winner     new+won+over             -                       -         -
    decliner   new+won                  new+unfilled            new+off   -
    mechanic   new+won                  new+unfilled            new+off   no
    suspended  no                       no                      no        no
    dropped    no                       -                       -         -
    operator   held+ended+new+won+over  held+ended+new+unfilled new+off   held+off
"""
DEAF = frozenset({"suspended", "dropped"})
TOLD: Mapping[str, str] = {
    "asked": "priority_session_request",
    "held": "request_reserved",
    "ended": "priority_window_ended",
    "new": "new_request",
    "won": "request_accepted",
    "over": "session_completed",
    "off": "request_cancelled",
    "unfilled": "request_unfilled",
}

# Every other route, in demo and test mode, by everybody who may knock. The one thing that is asked
# for is the first customer's: the favourite, and the payment.
WALK = """
.                                    nobody customer stranger favourite mechanic suspended operator
POST /api/v1/intakes                 401    201      201      403       403      403       403
GET /api/v1/session-requests         401    200      200      403       403      403       403
GET /api/v1/offers                   401    403      403      200       200      200       403
PUT /api/v1/presence                 401    403      403      200       200      200       403
GET /api/v1/mechanics/{id}/status    401    200      200      200       200      200       200
GET /api/v1/favorites                401    200      200      403       403      403       403
GET /api/v1/favorites/{id}           401    200      404      403       403      403       403
GET /favourites/{id}                 401    200      404      403       403      403       403
POST /favourites/{id}                401    303      303      403       403      403       403
PUT /api/v1/favorites/{id}           401    200      200      403       403      403       403
DELETE /api/v1/favorites/{id}        401    204      204      403       403      403       403
PUT /api/v1/customers/{id}           401    403      403      403       403      403       200
PUT /api/v1/mechanics/{id}           401    403      403      403       403      403       200
GET /api/v1/flags/{id}               401    403      403      403       403      403       200
PUT /api/v1/flags/{id}               401    403      403      403       403      403       200
GET /api/v1/money-troubles           401    403      403      403       403      403       200
POST /api/v1/money-troubles/{id}/dismissal 401    403      403      403       403      403       404
POST /api/v1/operations/{id}/attempt 401    403      403      403       403      403       404
GET /api/v1/operator-actions         401    403      403      403       403      403       200
GET /api/v1/stream                   401    200      200      200       200      403       200
GET /api/v1/logins                   401    403      403      403       403      403       200
PUT /api/v1/logins                   401    403      403      403       403      403       200
GET /api/v1/openapi.json             200    200      200      200       200      200       200
GET /api/v1/asyncapi.json            200    200      200      200       200      200       200
POST /webhooks/stripe                400    400      400      400       400      400       400
GET /healthz                         200    200      200      200       200      200       200
GET /readyz                          200    200      200      200       200      200       200
GET /metrics                         200    200      200      200       200      200       200
GET /static                          200    200      200      200       200      200       200
GET /                                200    200      200      200       200      200       200
GET /sign-in                         303    303      303      303       303      303       303
GET /sign-in/callback                400    400      400      400       400      400       400
POST /sign-out                       303    303      303      303       303      303       303
GET /intake                          401    200      200      403       403      403       403
POST /intake                         401    303      303      403       403      403       403
GET /intake/success                  401    303      404      403       403      403       403
GET /plans                           401    200      200      403       403      403       403
POST /intake/resumption              401    303      303      403       403      403       403
GET /messages                        401    200      200      403       403      403       403
GET /dashboard                       401    200      200      403       403      403       403
GET /mechanic                        401    403      403      200       200      200       403
GET /mechanic/history                401    403      403      200       200      200       403
POST /mechanic/duty                  401    403      403      303       303      303       403
POST /mechanic/offers/{id}/why-not    401    403      403      303       303      303       403
GET /admin                           401    403      403      403       403      403       200
GET /admin/analytics                 401    403      403      403       403      403       200
GET /admin/analytics/{id}.csv        401    403      403      403       403      403       200
GET /admin/flags                     401    403      403      403       403      403       200
POST /admin/flag                     401    403      403      403       403      403       303
POST /admin/operations/{id}/attempt  401    403      403      403       403      403       303
POST /admin/troubles/{id}/dismissal  401    403      403      403       403      403       303
POST /api/v1/sign-out                401    204      204      204       204      204       204
POST /demo/sign-in                   303    303      303      303       303      303       303
POST /demo/clock                     200    200      200      200       200      200       200
"""
# What is different in production.
WALK_IN_PRODUCTION = """
.                                    nobody customer stranger favourite mechanic suspended operator
GET /metrics                         401    403      403      403       403      403       200
POST /demo/sign-in                   404    404      404      404       404      404       404
POST /demo/clock                     404    404      404      404       404      404       404
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one person is answered in one case."""

    row: str
    column: str
    word: str


def cells(table: str) -> Iterator[Cell]:
    """A table's cells, less those of people whom a story lacks."""
    header, *rows = (line for line in table.splitlines() if line.strip())
    columns = header.split()[1:]
    for line in rows:
        name, *words = line.strip().rsplit(None, len(columns))
        assert len(words) == len(columns), f"a cell is missing: {line}"
        yield from (
            Cell(name, column, word)
            for column, word in zip(columns, words, strict=True)
            if word != "-"
        )


def news() -> Sequence[Cell]:
    """Both tables of news."""
    return [*cells(NEWS), *cells(NEWS_OF_THE_END)]
