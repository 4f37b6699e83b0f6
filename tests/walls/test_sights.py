"""The judge by row-level security is not blind, in either direction."""

from typing import TYPE_CHECKING
from uuid import UUID

from headstart.core.access import Principal, Role
from headstart.lab.chaos.sights import Playback, Sight, Sights, Word, disagreements
from tests.walls.specimens import Town, settle

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

LOG = "select id, xid, request_id, version, kind, payload, at from session_events order by id"
NOW_S = 100.0
YES, NO = "held_for_them", "held_for_another"


def mia(town: Town) -> Principal:
    return Principal(Role.MECHANIC, town.mia)


def told(town: Town, name: str, *, exists: bool) -> Word:
    """A word of now, about a request that has long been as it is."""
    return Word(mia(town), str(town.requests[name].id), NOW_S, NOW_S + 1, exists)


async def test_what_the_wall_would_not_show_or_hide_is_found(pool: "Pool", owner: "Pool") -> None:
    town = await settle(pool)
    playback = Playback.of(
        log := await owner.fetch(LOG), dict.fromkeys((e["id"] for e in log), 0.0)
    )

    async def complaints(sights: Sights, *suspended: tuple[str, float, float]) -> list[str]:
        return list(await disagreements(owner, playback, sights, suspended))

    seen = {Sight(mia(town), str(town.requests[YES].id), version, "news") for version in (1, 2)}
    true_words = [told(town, YES, exists=True), told(town, NO, exists=False)]
    assert await complaints(Sights(seen, true_words)) == []

    foreign = Sight(mia(town), str(town.requests[NO].id), town.requests[NO].version, "news")
    assert len(await complaints(Sights({foreign}))) == 1
    later = Sight(mia(town), str(town.requests[YES].id), 99, "news")
    unheard_of = Sight(mia(town), str(UUID(int=1)), 1, "news")
    assert len(await complaints(Sights({later, unheard_of}))) == 2

    false_words = [told(town, YES, exists=False), told(town, NO, exists=True)]
    assert len(await complaints(Sights(words=false_words))) == 2
    at_that_time = (str(town.mia), NOW_S - 1, NOW_S)
    assert await complaints(Sights(words=false_words), at_that_time) == []


async def test_a_request_is_judged_as_it_was_then(pool: "Pool", owner: "Pool") -> None:
    """Declined by another, and open since: before that it was not for everybody."""
    town = await settle(pool)
    playback = Playback.of(
        log := await owner.fetch(LOG), dict.fromkeys((e["id"] for e in log), 0.0)
    )
    request = str(town.requests["open_after_the_no_of_another"].id)
    [held, opened] = playback.states[request]
    for version, wrong in ((held.version, 1), (held.version + 1, 0), (opened.version, 0)):
        sights = Sights({Sight(mia(town), request, version, "news")})
        assert len(await disagreements(owner, playback, sights, ())) == wrong, version


async def test_who_was_suspended_at_last_saw_what_they_saw(pool: "Pool", owner: "Pool") -> None:
    town = await settle(pool)
    playback = Playback.of(
        log := await owner.fetch(LOG), dict.fromkeys((e["id"] for e in log), 0.0)
    )
    request = town.requests[YES]
    sights = Sights({Sight(mia(town), str(request.id), request.version, "a snapshot")})
    await owner.execute("update mechanics set status = 'suspended' where id = $1", town.mia)
    assert list(await disagreements(owner, playback, sights, ())) == []
