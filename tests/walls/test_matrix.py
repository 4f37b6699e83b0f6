"""Who is answered what: every cell of ``headstart.lab.walls``, asked over HTTP.

Add a route, and give it a row there. A further surface, such as a socket or SQL, takes the same
tables: only how it asks, and how its answer is put into a word, is its own.
"""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from headstart.core.access import Role
from headstart.core.refusals import Refusal
from headstart.lab import socket_walls
from headstart.lab.socket_walls import SAID
from headstart.lab.walls import (
    ANSWERS,
    DEAF,
    LISTED,
    PAGES,
    PEOPLE,
    STATES,
    TOLD,
    WALK,
    WORDS,
    Cell,
    cells,
    news,
)
from headstart.store.postgres import Postgres
from tests.walls.on_the_socket import on_the_socket
from tests.walls.town import ROLE_OF, Story, Town
from tests.web.test_stream import Message, listening, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CELLS_MIN = 500
VARYING = ("date", "ratelimit")  # headers that differ between any two answers
Looks = tuple[int, list[tuple[str, str]], bytes]
WORD_OF_CODE = {said.code: word for word, said in WORDS.items() if said.code}


def word_of(answer: httpx.Response) -> str:
    """An answer, as the tables say it; a page's form leads back to the page, and says it there."""
    if answer.status_code == httpx.codes.SEE_OTHER:
        [told] = parse_qs(urlsplit(answer.headers["location"]).query)["said"]
        return WORD_OF_CODE[told] if told in set(Refusal) else "yes"
    body = answer.json() if "json" in answer.headers["content-type"] else {}
    for word, said in WORDS.items():
        exactly = (said.status, said.code, said.changed)
        if exactly == (answer.status_code, body.get("code"), body.get("changed")):
            return word
    return f"{answer.status_code} {body.get('code')}"


def said_by(answer: httpx.Response, word: str) -> str:
    """A form does not say whether anything was left to do."""
    is_form = answer.status_code == httpx.codes.SEE_OTHER
    return "yes" if is_form and word == "same" else word


def looks(answer: httpx.Response) -> Looks:
    """Everything about an answer that could tell one from another."""
    headers = [one for one in answer.headers.items() if not one[0].startswith(VARYING)]
    return answer.status_code, headers, answer.content


async def differing(town: Town, route: str, expected: list[Cell]) -> list[str]:
    """The cells that are answered otherwise; among them every "unknown" that differs, in a single
    byte, from what an id gets that was never given. Only a "yes" may change anything."""
    before, wrong = await town.versions(), []
    unknown: dict[str, Looks] = {}
    for cell in expected:
        answer = await town.ask(route, cell.row, await town.story_of(cell))
        if word_of(answer) != said_by(answer, cell.word):
            wrong.append(f"{cell.row}, {cell.column}: {word_of(answer)}, not {cell.word}")
        if cell.word == "404":
            unknown.setdefault(cell.row, looks(answer))
            if looks(answer) != unknown[cell.row]:
                wrong.append(f"{cell.row}, {cell.column}: tells that it exists")
    assert await town.versions() == before
    return wrong


async def heard(town: Town, person: str, story: Story) -> list[Message]:
    """What somebody's stream brings who asks for everything that was ever meant for them."""
    beginning = town.world.service.seals.seal(0, 0)
    async with listening(town.world, town.headers(story, person), beginning) as stream:
        return await until(stream, "ready")


async def test_a_stream_tells_whom_it_is_meant_for(town: Town) -> None:
    """What happened, and in the snapshot it begins with what there is."""
    listed = {(cell.row, cell.column): cell.word for cell in cells(LISTED)}
    wrong = []
    for cell in news():
        story = town.shared[cell.column, cell.row == "dropped"]
        if cell.row in DEAF:
            assert word_of(await town.ask("GET /api/v1/stream", cell.row, story)) == "403"
            continue
        snapshot, *frames, _ = await heard(town, cell.row, story)
        about = [one.event for one in frames if one.data["session_id"] == story.id]
        if about != [TOLD[one] for one in cell.word.split("+") if one != "no"]:
            wrong.append(f"{cell.row}, {cell.column}: told {about}, not {cell.word}")
        if where(snapshot.data, story) != listed[cell.row, cell.column]:
            wrong.append(f"{cell.row}, {cell.column}: {where(snapshot.data, story)} in a snapshot")
    assert wrong == []


async def test_a_list_holds_what_is_meant_for_its_reader(town: Town) -> None:
    lists = {Role.CUSTOMER: "GET /api/v1/session-requests", Role.MECHANIC: "GET /api/v1/offers"}
    wrong = []
    for cell in cells(LISTED):
        story = town.shared[cell.column, cell.row == "dropped"]
        if route := lists.get(ROLE_OF[cell.row]):
            found = where((await town.ask(route, cell.row, story)).json(), story)
            wrong += [f"{cell.row}, {cell.column}: {found}"] if found != cell.word else []
    assert wrong == []


def where(shown: dict[str, Any], story: Story) -> str:
    """The list in which the request of a story stands."""
    lists = {
        "offer": shown.get("offers", []),
        "listed": shown.get("requests", []),
        "job": [one for one in [shown.get("job")] if one],
    }
    found = [name for name, rows in lists.items() for row in rows if row["session_id"] == story.id]
    return "+".join(found) or "no"


async def test_the_socket_is_joined_and_heard_as_written(town: Town) -> None:
    """On the feed and on the request's own topic they hear what the stream tells them."""
    told = {(cell.row, cell.column): cell.word for cell in news()}
    own = {(cell.row, cell.column): cell.word for cell in cells(socket_walls.OWN_NEWS)}
    wrong = []
    for cell in cells(socket_walls.REQUESTS):
        place = cell.row, cell.column
        story = town.shared[cell.column, cell.row == "dropped"]
        async with on_the_socket(town, story, cell.row) as there:
            expected = {"request": cell.word}
            if place in own:
                expected |= {"feed": socket_walls.JOINED, "own": socket_walls.JOINED}
            for topic, word in expected.items():
                found = await there.joins(topic), there.heard(topic)
                hears = own[place] if topic == "own" else told.get(place, "no")
                due = word, hears if word == socket_walls.JOINED else "no"
                wrong += [f"{place} on {topic}: {found}, not {due}"] if found != due else []
    assert wrong == []


async def test_a_topic_takes_whom_and_what_it_is_for(town: Town) -> None:
    story, before = town.shared["taken", False], await town.versions()
    say = {(cell.row, cell.column): cell.word for cell in cells(socket_walls.SAYS)}
    joins = {(cell.row, cell.column): cell.word for cell in cells(socket_walls.TOPICS)}
    joins |= {(row, topic): socket_walls.JOINED for row, topic in say if topic == "request"}
    wrong = []
    for row in dict.fromkeys(row for row, _ in joins):
        async with on_the_socket(town, story, row) as there:
            for topic in [column for name, column in joins if name == row]:
                found: object = await there.joins(topic)
                if found != joins[row, topic]:
                    wrong.append(f"{row} on {topic}: {found}, not {joins[row, topic]}")
                if (word := say.get((row, topic))) is not None:
                    found = await there.may_say(topic)
                    wrong += [f"{row} on {topic}: {found}"] if found != SAID[word] else []
    assert wrong == []
    assert await town.versions() == before


@pytest.mark.parametrize("route", ANSWERS)
async def test_every_answer_is_as_written(route: str, town: Town) -> None:
    assert await differing(town, route, list(cells(ANSWERS[route]))) == []


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_answers_its_own_role_as_the_api_does(page: str, town: Town) -> None:
    route, role = PAGES[page]
    written = [on_page(cell, role) for cell in cells(ANSWERS[route])]
    assert await differing(town, page, written) == []


def on_page(cell: Cell, role: Role) -> Cell:
    """A cell of the API, as a page for this role has it."""
    let_in = cell.row == "nobody" or ROLE_OF[cell.row] is role
    return cell if let_in else Cell(cell.row, cell.column, "403")


@pytest.mark.parametrize("person", ["stranger", "mechanic", "suspended"])
async def test_what_is_secret_takes_the_very_steps_of_what_never_was(
    person: str, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that not even the time it takes tells one from the other."""
    asked: list[str] = []
    rows = Postgres.rows

    async def counted(self: Postgres, name: str, /, **values: Any) -> Any:
        if "request" in name or "offer" in name:  # and not what the loops do meanwhile
            asked.append(name)
        return await rows(self, name, **values)

    monkeypatch.setattr(Postgres, "rows", counted)
    steps = []
    for state in ("held", "never"):
        for route in ANSWERS:
            await town.ask(route, person, town.shared[state, False])
        steps.append(asked.copy())
        asked.clear()
    assert steps[0]
    assert steps[0] == steps[1]


async def test_the_matrix_is_whole() -> None:
    """Everybody in every state, for each of a request's routes; and it is not a small one."""
    for table in ANSWERS.values():
        assert {cell.row for cell in cells(table)} == set(PEOPLE)
        assert {cell.column for cell in cells(table)} == set(STATES)
        assert {cell.word for cell in cells(table)} <= set(WORDS)
    assert {cell.row for cell in cells(socket_walls.REQUESTS)} == set(PEOPLE)
    assert {cell.column for cell in cells(socket_walls.REQUESTS)} == set(STATES)
    answers = sum(len(list(cells(table))) for table in (*ANSWERS.values(), LISTED, WALK))
    assert answers + len(news()) > CELLS_MIN


async def test_a_cell_that_is_written_wrongly_is_found(town: Town) -> None:
    route = next(iter(ANSWERS))
    wrong = [Cell("stranger", "open", "sees"), Cell("mechanic", "held", "sees")]
    assert len(await differing(town, route, wrong)) == len(wrong)
