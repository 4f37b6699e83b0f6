"""Key sets: rotation, a key server that is down or odd, and strangers who invent key ids."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from headstart.identity import key_sets as module
from headstart.identity.key_sets import (
    DOCUMENT_BYTES_MAX,
    FRESH_S,
    REFRESH_EVERY_S,
    STALE_S_MAX,
    Documents,
    KeySet,
    NoKey,
)
from tests.identity.forge import jwk
from tests.payments.stand import listening, served

Json = dict[str, Any]


class KeyServer:
    """What the provider publishes now, and how often it was asked."""

    def __init__(self, *names: str) -> None:
        self.document: Any = {"keys": [jwk(name) for name in names]}
        self.down = False
        self.asked = 0
        self.now_s = 1000.0
        self.keys = KeySet("https://id.example/keys", self.fetch, lambda: self.now_s)

    async def fetch(self, _: str) -> Any:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise httpx.ConnectError("nobody is there")
        return self.document

    async def has(self, kid: str | None, algorithm: str = "RS256") -> bool:
        try:
            await self.keys.key(kid, algorithm)
        except NoKey:
            return False
        return True


async def test_old_and_new_keys_are_good_while_both_are_published_and_then_only_the_new() -> None:
    server = KeyServer("old")
    assert await server.has("old")
    server.document = {"keys": [jwk("old"), jwk("new")]}
    server.now_s += REFRESH_EVERY_S
    assert await server.has("new"), "an unknown id asks again"
    assert await server.has("old")
    server.document = {"keys": [jwk("new")]}
    server.now_s += FRESH_S + 1
    assert not await server.has("old")
    assert await server.has("new")


async def test_a_stranger_cannot_make_us_ask_more_often_than_every_30_s() -> None:
    server = KeyServer("one")
    assert REFRESH_EVERY_S == 30
    for second in range(300):
        server.now_s = 1000.0 + second
        for number in range(5):
            assert not await server.has(f"invented {second} {number}")
    assert server.asked == 10
    assert await server.has("one")


async def test_many_at_once_ask_once() -> None:
    server = KeyServer("one")
    assert all(await asyncio.gather(*(server.has("one") for _ in range(50))))
    assert server.asked == 1


async def test_the_keys_we_have_serve_while_the_key_server_is_down_but_not_for_ever() -> None:
    server = KeyServer("one")
    assert await server.has("one")
    server.down = True
    server.now_s += FRESH_S + 1
    assert await server.has("one")
    assert await server.has("one")
    assert server.asked == 2, "a server that is down is not asked for every token"
    server.now_s += STALE_S_MAX
    assert not await server.has("one")
    server.down = False
    server.now_s += REFRESH_EVERY_S
    assert await server.has("one")


async def test_a_key_server_that_hangs_holds_up_one_and_not_everybody() -> None:
    server, answers = KeyServer("one"), asyncio.Event()
    assert await server.has("one")

    async def hanging(_: str) -> Any:
        await answers.wait()
        return server.document

    server.keys._fetch = hanging
    server.now_s += FRESH_S + 1
    first = asyncio.create_task(server.has("one"))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert await server.has("one")
        assert not first.done()
        answers.set()
        assert await first


@pytest.mark.parametrize(
    "document", [{}, {"keys": {}}, {"keys": "x"}, {"keys": [jwk("one")] * 101}, {"jwks": []}]
)
async def test_an_odd_document_takes_no_key_away(document: Json) -> None:
    server = KeyServer("one")
    assert await server.has("one")
    server.document = document
    server.now_s += FRESH_S + 1
    assert await server.has("one")


@pytest.mark.parametrize(
    "unfit",
    [
        jwk("one", use="enc"),
        jwk("one", key_ops=["sign"]),
        jwk("one", alg="RS512"),
        jwk("one", kty="oct", k="c2VjcmV0"),
        {"kid": "one", "kty": "RSA"},
        {"kid": "one", "kty": "RSA", "n": "AQAB", "e": "!"},
        {"kty": "RSA", "kid": 1},
        "one",
        None,
    ],
)
async def test_a_key_for_something_else_is_no_key(unfit: Any) -> None:
    server = KeyServer()
    server.document = {"keys": [unfit]}
    assert not await server.has("one")


async def test_without_an_id_only_the_one_key_will_do() -> None:
    assert await KeyServer("one").has(None)
    assert not await KeyServer("one", "two").has(None)
    assert not await KeyServer("one").has(None, "ES256")


def _answering() -> Starlette:
    async def good(_: Request) -> Response:
        return Response(json.dumps({"keys": []}))

    async def huge(_: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(2 * DOCUMENT_BYTES_MAX // 1024):
                yield b" " * 1024

        return StreamingResponse(pieces())

    async def elsewhere(_: Request) -> Response:
        return RedirectResponse("/good")

    async def silent(_: Request) -> Response:
        await asyncio.sleep(60)
        return Response("{}")

    async def odd(request: Request) -> Response:
        return Response(request.query_params["is"], int(request.query_params.get("status", 200)))

    routes = {"/good": good, "/huge": huge, "/elsewhere": elsewhere, "/silent": silent, "/odd": odd}
    return Starlette(routes=[Route(path, endpoint) for path, endpoint in routes.items()])


@asynccontextmanager
async def documents() -> AsyncIterator[tuple[Documents, str]]:
    bound, address = listening()
    async with served(_answering(), bound):
        fetcher = Documents()
        try:
            yield fetcher, address
        finally:
            await fetcher.close()


async def test_documents_are_small_prompt_and_where_they_were_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FETCH_S_MAX", 0.3)
    async with documents() as (fetcher, address):
        assert await fetcher.fetch(f"{address}/good") == {"keys": []}
        for path in ("/huge", "/elsewhere", "/odd?is=[]", "/odd?is=x", "/odd?is={}&status=500"):
            with pytest.raises(ValueError):  # noqa: PT011 - each says its own
                await fetcher.fetch(f"{address}{path}")
        with pytest.raises((TimeoutError, httpx.TimeoutException)):
            await fetcher.fetch(f"{address}/silent")
    with pytest.raises(httpx.HTTPError):
        await Documents().fetch(f"{address}/good")
