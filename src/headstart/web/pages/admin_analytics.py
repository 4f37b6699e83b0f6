"""Figures of a span of time: on a page, and each table as a file."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response

from headstart.app.figures import SPAN_DAYS, Figures, Requests, Span
from headstart.app.watch import SHARE_N_MIN
from headstart.core.access import Operation, Principal
from headstart.core.request import MechanicId
from headstart.web.charts import Chart, Series, lined, stacked
from headstart.web.doors import door
from headstart.web.pages.persons import Operator
from headstart.web.people import Headstart
from headstart.web.problems import Problem
from headstart.web.rendering import render
from headstart.web.service import Service
from headstart.web.tables import Length, Share, Table, tables

ROWS_SHOWN_MAX = 60  # the file has them all
SPANS = (7, SPAN_DAYS, 90)

router = APIRouter()

Day = Annotated[str, Query(max_length=10)]


@router.get("/admin/analytics", dependencies=[door(Operation.CONSOLE_READ)])
async def analytics(
    service: Headstart,
    person: Operator,
    first: Annotated[Day, Query(alias="from")] = "",
    last: Annotated[Day, Query(alias="to")] = "",
) -> HTMLResponse:
    """How favourites answered, and what became of requests."""
    today = (await service.requests.clock()).date()
    figures = await _figures(service, person.principal, Span.read(first, last, today))
    return render(
        "admin_analytics.html",
        person,
        span=figures.span,
        spans={days: Span.lately(today, days) for days in SPANS},
        headlines=_headlines(figures),
        charts=_charts(figures),
        tables=await _tables(service, person.principal, figures),
        rows_max=ROWS_SHOWN_MAX,
        share_n_min=SHARE_N_MIN,
    )


@router.get("/admin/analytics/{table}.csv", dependencies=[door(Operation.CONSOLE_READ)])
async def table_file(
    table: str,
    service: Headstart,
    person: Operator,
    first: Annotated[Day, Query(alias="from")] = "",
    last: Annotated[Day, Query(alias="to")] = "",
) -> Response:
    """One table, whole, for a spreadsheet."""
    today = (await service.requests.clock()).date()
    figures = await _figures(service, person.principal, Span.read(first, last, today))
    for one in await _tables(service, person.principal, figures):
        if one.name == table:
            named = f"headstart-{one.name}-{figures.span.first}-{figures.span.last}.csv"
            return Response(
                one.csv(),
                media_type="text/csv",
                headers={"Content-Disposition": f'attachment; filename="{named}"'},
            )
    raise Problem(HTTPStatus.NOT_FOUND, "unknown_table", "There is no such table.")


async def _figures(service: Service, who: Principal, span: Span) -> Figures:
    async with service.views.on_behalf_of(who) as views:
        return await views.figures(span)


async def _tables(service: Service, who: Principal, figures: Figures) -> Sequence[Table]:
    asked = [MechanicId(UUID(one)) for one in figures.offers["mechanic"]]
    async with service.views.on_behalf_of(who) as views:
        names = await views.names_of(asked)
    plans = {plan.code: plan.name for plan in await service.switchboard.plans()}
    return tables(figures, plans, {str(one): name for one, name in names.items()})


def _headlines(figures: Figures) -> Sequence[tuple[str, str, str]]:
    """The four figures that say most: what, how much, of how many."""
    offers, made = figures.all_offers, figures.all_requests
    half, most = offers.after_s.get("accepted") or (None, None)
    decided = made.unfilled + made.matched
    return [
        (
            "Favourites who accepted",
            str(Share(offers.accepted, offers.answerable)),
            f"{offers.accepted} of {offers.answerable} who could answer; {offers.made} were asked",
        ),
        (
            "Half of them within",
            str(Length(half, offers.accepted)),
            f"nine in ten within {Length(most, offers.accepted)}",
        ),
        (
            "Half of all matched within",
            str(Length((made.match_s or (None,))[0], made.ever_matched)),
            f"of {made.ever_matched} matched, from {made.requests} requests",
        ),
        (
            "Went unfilled",
            str(Share(made.unfilled, decided)),
            f"{made.unfilled} of {decided}; {made.pending} still wait",
        ),
    ]


def _charts(figures: Figures) -> Sequence[Chart]:
    days = [f"{day.day} {day:%b}" for day in figures.span.days]
    by_day = [figures.offers["day"].get(day.isoformat()) for day in figures.span.days]
    offers = [
        Series("accepted", "accepted", [one.accepted if one else 0 for one in by_day]),
        Series(
            "missed", "ended otherwise", [one.ended - one.accepted if one else 0 for one in by_day]
        ),
        Series("running", "running", [one.running if one else 0 for one in by_day]),
    ]
    made = [figures.requests["day"].get(day.isoformat(), Requests()) for day in figures.span.days]
    waits = [
        Series("half", "half within", [one.match_s[0] if one.match_s else None for one in made]),
        Series(
            "most", "nine in ten within", [one.match_s[1] if one.match_s else None for one in made]
        ),
    ]
    return [
        stacked(
            "offers",
            "Offers to favourites by day",
            f"{figures.all_offers.accepted} of {figures.all_offers.made} were accepted.",
            days,
            offers,
        ),
        lined(
            "waits",
            "From the request to a mechanic, by day",
            "How long half, and nine in ten, of the matched requests of a day waited.",
            days,
            waits,
        ),
    ]
