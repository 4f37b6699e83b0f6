"""Every bad token, through the socket: it opens nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from headstart.core.request import CustomerId
from headstart.store.people import PeopleStore
from tests.identity.forge import (
    PERSON,
    bad_tokens,
    claims,
    issuers,
    jwk,
    shared,
    shared_claims,
    signed,
)
from tests.payments.stand import listening, served
from tests.web.conftest import World, world_on

ANSWERED = 401
UNREADABLE = 400  # the server did not take the header at all
TOO_LONG = 431


@asynccontextmanager
async def trusting_world(database: str) -> AsyncIterator[World]:
    """The application, trusting a provider with a key set and a project with a secret."""

    async def keys(_: Request) -> JSONResponse:
        return JSONResponse({"keys": [jwk("one")]})

    bound, address = listening()
    async with (
        served(Starlette(routes=[Route("/keys", keys)]), bound),
        world_on(database, looping=False, HEADSTART_ISSUERS=issuers(f"{address}/keys")) as world,
    ):
        people = world.service.people
        assert isinstance(people, PeopleStore)
        await people.add_customer(CustomerId(PERSON), "Dana")
        yield world


async def asked(world: World, token: str) -> int:
    """The status of the answer to a request with this token, byte for byte."""
    where = urlsplit(str(world.client.base_url))
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    request = (
        f"GET /api/v1/session-requests HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )
    try:
        writer.write(request.encode("utf-8", "replace"))
        line = await reader.readline()
        return int(line.split()[1]) if line else UNREADABLE
    except ConnectionError:
        return UNREADABLE
    finally:
        writer.close()


async def test_no_bad_token_opens_anything(database: str) -> None:
    async with trusting_world(database) as world:
        good = [signed(claims()), shared(shared_claims())]
        assert [await asked(world, token) for token in good] == [200, 200]
        forged = bad_tokens()
        answers = {name: await asked(world, token) for name, token in forged.items()}
        odd = {name: said for name, said in answers.items() if said != ANSWERED}
        assert set(odd.values()) <= {UNREADABLE, TOO_LONG}, odd
        assert odd.keys() <= {"a megabyte", "longer than any"}, odd
        assert [await asked(world, token) for token in good] == [200, 200]
