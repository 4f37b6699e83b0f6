"""Who wants to be forgotten is: by the recipe of the inventory no name is left anywhere."""

import re

from headstart.lab.canaries import CALL, CONTACT, PERSONAL, SURNAME, sightings
from headstart.lab.row_walls import TABLES
from headstart.store.postgres import connected
from tests.docs.pages import DOCS, text_of
from tests.web.conftest import World

OLDER_NOTE = "somebody@older.example"
CONCERN = "The brakes squeal, says the canary"


async def test_nothing_names_a_person_who_was_forgotten(world: World, database: str) -> None:
    request = await world.book(concern=CONCERN)
    await world.order(request, "cancellation", world.customer)
    page = text_of(DOCS / "reference" / "inventory.md")
    [recipe] = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)

    async with connected(database, connections_max=1, role=None) as pool:

        async def everything() -> str:
            rows = [
                row[0]
                for table in TABLES
                for row in await pool.fetch(f"select t::text from {table} t")
            ]
            return "\n".join(rows)

        await pool.execute(  # as taken over from an older system
            "update session_requests set metadata = metadata || $1", {"email": OLDER_NOTE}
        )
        before = await everything()
        assert {one.what for one in sightings(before)} >= {SURNAME, CONTACT, CALL}
        assert CONCERN in before
        assert OLDER_NOTE in before
        await pool.execute(recipe.replace("…", str(world.cast.customer)))
        after = await everything()
    assert not {one.what for one in sightings(after)} & PERSONAL
    assert CONCERN not in after
    assert OLDER_NOTE not in after
    assert request in after
