"""The operator's page of one request: its story, why it went so, and what can be done."""

import re
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from headstart.core.request import MechanicId
from headstart.store.people import PeopleStore
from headstart.web import chronicle
from tests.web.conftest import World

TAGS = re.compile(r"<[^>]+>")
DO = re.compile(r'action="/admin/requests/[\w-]+/(\w+)"')
WHY = {"reason": "the customer rang us", "confirmed": "yes"}


async def page_of(world: World, request: str, query: str = "") -> str:
    headers = world.operator | {"Accept": "text/html"}
    answer = await world.client.get(f"/admin/requests/{request}{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


def steps(page: str) -> list[str]:
    """Every line of the story, as it is read."""
    story = page.partition('id="story"')[2].partition("</section>")[0]
    lines = re.findall(r"<li id.*?</li>", story, re.DOTALL)
    return [" ".join(TAGS.sub(" ", line).split()) for line in lines]


def offered(page: str) -> set[str]:
    return set(DO.findall(page))


async def does(world: World, request: str, what: str, **form: str) -> httpx.Response:
    path = f"/admin/requests/{request}/{what}"
    return await world.client.post(path, data=WHY | form, headers=world.operator)


async def says(world: World, request: str, mechanic: MechanicId) -> list[str]:
    """What the page answers when it is asked about one mechanic."""
    page = await page_of(world, request, f"?mechanic={mechanic}")
    answers = page.partition('id="why"')[2].partition("</section>")[0]
    lines = re.findall(r"<li>.*?</li>", answers, re.DOTALL)
    return [" ".join(TAGS.sub(" ", line).split()).partition("UTC ")[2] for line in lines]


async def happened(world: World) -> tuple[str, str]:
    """Fay is asked alone and declines, Otto takes it and loses it again; meanwhile Olga is at work,
    and Sam is suspended. Answers with this request, and with Olga's."""
    cast, people = world.cast, world.service.people
    assert isinstance(people, PeopleStore)
    olgas = await world.book(await world.newcomer())
    await world.order(olgas, "acceptance", world.mechanic(cast.others[1]))
    await people.set_mechanic_status(cast.second, "suspended")
    request = await world.book(preferred_mechanic_id=str(cast.favorite))
    await world.order(request, "declination", world.mechanic(cast.favorite))
    await world.order(request, "acceptance", world.mechanic(cast.others[0]))
    assert (await does(world, request, "release")).status_code == 303
    return request, olgas


async def test_a_story_names_everybody_and_says_who_could_and_who_could_not(world: World) -> None:
    request, _ = await happened(world)
    told = steps(await page_of(world, request))
    for place, words in enumerate(
        (
            "Requested: plan standard, priority_broadcast at the beginning, by the clock",
            "Reserved for Fay until",
            "The turn of Fay ended: they declined",
            "Opened to everybody because they declined; 1 could accept",
            "Matched with Otto, who accepted while it was open",
            "Match with Otto undone: released",
            "Opened to everybody; 0 could accept",
        )
    ):
        assert told[place].partition("UTC ")[2].startswith(words), told[place]
    assert "later, by mechanic Fay" in told[2]
    assert (
        "1 could accept, 1 could not any more Otto. Had said no to it or left it: Fay." in told[3]
    )
    assert "“the customer rang us”" in told[5]
    assert "0 could accept, 2 could not any more" in told[6]


async def test_the_log_is_asked_about_one_mechanic_and_says_what_it_knows(world: World) -> None:
    people = world.service.people
    await people.set_presence(world.cast.others[1], on_duty=True, lease=timedelta(minutes=1))
    request, olgas = await happened(world)
    fay, (otto, olga), sam = world.cast.favorite, world.cast.others, world.cast.second
    alone, *others = await says(world, request, fay)
    assert re.fullmatch(r"Was asked alone, until [\d:]+ UTC, and gave no sign of life\.", alone)
    assert others == ["Could not accept: they had said no to this request, or left it, before."] * 2
    assert (await says(world, request, otto))[:2] == [
        "Was not asked: it was held for another mechanic alone.",
        "Could accept, and was told.",
    ]
    at_work = (await says(world, request, olga))[1]
    assert at_work == "Could not accept: they were at work on another request. That request"
    page = await page_of(world, request, f"?mechanic={olga}")
    assert f'href="/admin/requests/{olgas}"' in page
    unapproved = (await says(world, request, sam))[1]
    assert "not in the recorded list" in unapproved
    assert "no job of theirs" in unapproved
    assert len(await says(world, request, MechanicId(uuid4()))) == 3


async def test_only_what_the_rules_would_accept_is_offered_and_it_wants_to_be_meant(
    world: World,
) -> None:
    favorite, other = world.cast.favorite, world.mechanic(world.cast.others[0])
    request = await world.book(preferred_mechanic_id=str(favorite))
    alone = {"broadcast", "extension", "assignment", "cancellation"}
    assert offered(await page_of(world, request)) == alone
    for missing in ("reason", "confirmed"):
        form = {name: value for name, value in WHY.items() if name != missing}
        path = f"/admin/requests/{request}/cancellation"
        refused = await world.client.post(path, data=form, headers=world.operator)
        assert refused.status_code == 422, missing
    assert (await does(world, request, "cancellation", confirmed="no")).status_code == 422
    done = await does(world, request, "broadcast")
    assert done.headers["location"] == f"/admin/requests/{request}?said=broadcast"
    assert "Everyone is being asked." in await page_of(world, request, "?said=broadcast")
    assert offered(await page_of(world, request)) == {"assignment", "cancellation"}
    late = await does(world, request, "release")
    assert late.headers["location"].endswith("?said=not_matched")
    assert "Nothing was changed." in await page_of(world, request, "?said=not_matched")

    await world.order(request, "acceptance", other)
    page = await page_of(world, request)
    assert offered(page) == {"release", "completion", "cancellation"}
    assert "29.99 CAD" in page
    await does(world, request, "cancellation")
    page = await page_of(world, request, "?said=cancellation")
    assert "Whatever was held or paid goes back." in page, "of a hold or a free plan, nothing does"
    assert offered(page) == set()
    assert "give back" in page
    assert "Match with Otto" in steps(page)[-2]
    assert "cancelled by an operator" in steps(page)[-1].lower()


async def test_more_time_is_given_once_for_each_page_and_a_mechanic_only_if_they_are_free(
    world: World,
) -> None:
    cast = world.cast
    request = await world.book(preferred_mechanic_id=str(cast.favorite))
    busy = await world.book(await world.newcomer())
    await world.order(busy, "acceptance", world.mechanic(cast.others[1]))
    for _ in range(2):  # a button that is pressed twice
        await does(world, request, "extension", seen="2")
    lengthened = [one for one in steps(await page_of(world, request)) if "lengthened" in one]
    assert len(lengthened) == 1
    await does(world, request, "extension", seen="3")
    last = await does(world, request, "extension", seen="4")
    assert last.headers["location"].endswith("?said=window_at_limit")
    page = await page_of(world, request)
    assert "extension" not in offered(page)

    choice = page.partition('id="whom"')[2].partition("</select>")[0]
    assert str(cast.others[0]) in choice
    assert str(cast.others[1]) not in choice, "who has a job is not offered another"
    nobody = await does(world, request, "assignment")
    assert nobody.status_code == 422
    taken = await does(world, request, "assignment", mechanic_id=str(cast.others[1]))
    assert taken.headers["location"].endswith("?said=mechanic_busy")
    otto, sam = ({"mechanic_id": str(one), "seen": "4"} for one in (cast.others[0], cast.second))
    for whom, said in ((otto, "assignment"), (otto, "assignment"), (sam, "already_matched")):
        answer = await does(world, request, "assignment", **whom)
        assert answer.headers["location"].endswith(f"?said={said}"), whom
    told = steps(await page_of(world, request))
    assert "Matched with Otto, assigned while it was reserved" in told[-1]
    assert "The turn of Fay ended: an operator did not wait" in told[-2]
    headers = world.customer | {"Accept": "text/html"}
    customers = (await world.client.get(f"/requests/{request}", headers=headers)).text
    assert "Our team found Otto" in customers
    assert "Otto accepted" not in customers
    assert "the first who could come" not in customers


async def test_everybody_who_is_listed_is_listed_by_name(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also whoever comes into the list because somebody before them could not any more."""
    request = await world.book(preferred_mechanic_id=str(world.cast.favorite))
    await world.order(request, "declination", world.mechanic(world.cast.favorite))
    for shown in range(1, 4):
        monkeypatch.setattr(chronicle, "NAMED_MAX", shown)
        [opened] = [one for one in steps(await page_of(world, request)) if "Opened to" in one]
        listed = opened.partition("could not any more")[2].partition(", and ")[0]
        assert not re.search("[0-9a-f]{8}-", listed), listed
