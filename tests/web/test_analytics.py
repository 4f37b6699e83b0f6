"""The page of figures and its files: what is said of few, and what no spreadsheet carries out."""

import csv
from collections.abc import Mapping
from datetime import date, timedelta
from io import StringIO

import pytest

from headstart.app.figures import SPAN_DAYS_MAX, Offers, Span
from headstart.core.request import MechanicId
from headstart.store.people import PeopleStore
from headstart.web.charts import HEIGHT, Series, lined, stacked
from headstart.web.tables import Length, Share, Table, harmless
from tests.web.conftest import World

TODAY = date(2025, 11, 2)
FORMULA = '=HYPERLINK("http://evil.example","look")'


def rows_of(text: str) -> list[Mapping[str, str]]:
    """A file, as a spreadsheet reads it."""
    return list(csv.DictReader(StringIO(text)))


async def test_the_page_and_its_files_say_the_same(world: World) -> None:
    people, evil = world.service.people, world.cast.favorite
    assert isinstance(people, PeopleStore)
    for answer in ("declination", "acceptance"):
        customer = await world.newcomer(evil)
        made = await world.book(customer, preferred_mechanic_id=str(evil))
        await world.order(made, answer, world.mechanic(evil))
    await rename(world, evil, FORMULA)
    headers = world.operator | {"Accept": "text/html"}
    page = (await world.client.get("/admin/analytics", headers=headers)).text
    assert "1 of 2" in page
    assert "50 %" not in page, "two are too few for a percentage"
    assert "How the favourite’s time alone ended" in page

    async def file(name: str) -> list[Mapping[str, str]]:
        answer = await world.client.get(f"/admin/analytics/{name}.csv", headers=world.operator)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/csv")
        assert f"headstart-{name}-" in answer.headers["content-disposition"]
        return rows_of(answer.text)

    [by_mechanic] = await file("offers-by-mechanic")
    assert by_mechanic["Mechanic"] == f"'{FORMULA}"
    assert (by_mechanic["Offers"], by_mechanic["Accepted"]) == ("2", "1")
    assert (by_mechanic["Accept rate"], by_mechanic["Accept rate: of how many"]) == ("0.5", "2")
    assert sum(int(row["Offers"]) for row in await file("offers-by-day")) == 2
    assert {row["Ending"] for row in await file("endings")} == {
        "The favourite accepted",
        "They declined",
    }
    assert [row["Requests"] for row in await file("requests-by-plan")] == ["2"]
    unknown = await world.client.get("/admin/analytics/passwords.csv", headers=world.operator)
    assert unknown.status_code == 404


async def test_whatever_the_address_says_there_is_a_page(world: World) -> None:
    headers = world.operator | {"Accept": "text/html"}
    for query in (
        "?from=2020-01-01&to=2020-01-31",
        "?from=nonsense&to=%00",
        "?from=0001-01-01",
        "?to=9999-12-31",
    ):
        shown = await world.client.get(f"/admin/analytics{query}", headers=headers)
        assert shown.status_code == 200, query


async def rename(world: World, mechanic: MechanicId, name: str) -> None:
    known = {"name": name, "status": "approved", "reason": "a test"}
    path = f"/api/v1/mechanics/{mechanic}"
    assert (await world.client.put(path, json=known, headers=world.operator)).status_code == 200


@pytest.mark.parametrize("begins", ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", "\nx"])
def test_what_a_spreadsheet_would_carry_out_is_text(begins: str) -> None:
    table = Table("x", "X", "", ["Mechanic"], [[begins]])
    [row] = rows_of(table.csv())
    assert row["Mechanic"] == f"'{begins}"
    assert harmless(-1) == -1, "a number is a number"
    assert harmless("a=b") == "a=b"


def test_a_percentage_is_of_enough() -> None:
    assert [str(Share(*one)) for one in ((0, 0), (3, 7), (19, 19), (5, 20), (1, 3000))] == [
        *("–", "3 of 7", "19 of 19", "25 %", "0 %"),
    ]
    assert [str(Length(*one)) for one in ((None, 0), (71.6, 3), (71.6, 20), (3_700.0, 20))] == [
        *("–", "1:12 (of 3)", "1:12", "1:01:40"),
    ]


def test_an_offer_that_nobody_could_answer_counts_against_nobody() -> None:
    endings = {"accepted": 3, "declined": 1, "no_response": 1, "not_there": 4, "running": 2}
    offers = Offers(endings)
    assert (offers.made, offers.ended, offers.answerable, offers.unanswerable) == (11, 9, 5, 4)


def test_a_span_is_whole_days_and_bounded() -> None:
    assert len(Span.read("", "", TODAY).days) == 28
    assert Span.read("2025-10-31", "2025-10-30", TODAY) == Span(
        date(2025, 10, 30), date(2025, 10, 31)
    )
    assert len(Span.read("2001-01-01", "", TODAY).days) == SPAN_DAYS_MAX
    assert Span(TODAY, TODAY).end - Span(TODAY, TODAY).begin == timedelta(days=1)


def test_a_chart_stands_on_its_floor_and_below_its_top() -> None:
    days = [str(day) for day in range(30)]
    chart = stacked(
        "a", "", "", days, [Series("one", "", [3.0] * 30), Series("two", "", [4.0] * 30)]
    )
    assert [tick.label for tick in chart.ticks] == ["0", "5", "10"]
    floor = chart.ticks[0].y
    assert len(chart.blocks) == 60
    assert all(0 < one.y <= one.y + one.height <= floor + 0.2 < HEIGHT for one in chart.blocks)
    assert len(chart.labels) <= 8
    line = lined("b", "", "", days[:5], [Series("half", "", [60.0, None, 120.0, 180.0, None])])
    assert [len(one.split()) for one in line.lines[0].paths] == [2]
    assert len(line.lines[0].points) == 3
    assert stacked("c", "", "", [], []).blocks == []
