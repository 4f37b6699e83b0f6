"""Names that are not ours are not answered, addresses come from nobody else, links stay here."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from headstart.core.access import Role
from headstart.settings import Mode, Settings
from headstart.web.edges.hosts import Hosts, Proxies, name_in, neighbourhood
from tests.web.conftest import World, world_on

EVIL = "evil.example"
ELSEWHERE = (EVIL, f"//{EVIL}", f"https://{EVIL}", f"/\\{EVIL}", "x\r\ny:z", "../..")


def settings(**environment: Any) -> Settings:
    known = {"HEADSTART_JWT_SECRET": "kS0v9bq2Lx8TzR4mWc7YpE1uHn6DfGaJ3"}
    return Settings(_env_file=None, **(known | environment))


def test_production_knows_its_public_name_and_what_was_added() -> None:
    hosts = Hosts.of(
        settings(
            HEADSTART_PUBLIC_URL="https://App.example:8443",
            HEADSTART_TRUSTED_HOSTS="internal.example, 10.0.0.7",
        )
    )
    for known in ("app.example", "APP.EXAMPLE:443", "internal.example", "10.0.0.7:8000"):
        assert hosts.know(known), known
    for unknown in ("evil.example", "app.example.evil.example", "127.0.0.1", "localhost", "", ":1"):
        assert not hosts.know(unknown), unknown


def test_a_demo_answers_to_this_machine_only() -> None:
    shown = {"HEADSTART_PUBLIC_URL": "https://shown.example"}
    for more in ({}, shown, {"HEADSTART_TRUSTED_HOSTS": "shown.example"}):
        hosts = Hosts.of(settings(HEADSTART_MODE=Mode.DEMO, **more))
        assert all(hosts.know(one) for one in ("127.0.0.1:8000", "localhost", "[::1]:8000"))
        assert not hosts.know("rebound.example:8000")
        assert not hosts.know("shown.example")


def test_a_name_is_read_without_its_port() -> None:
    read = {one: name_in(one) for one in ("A.b:80", "a.b", "[::1]", "[::1]:8000", "a:b")}
    assert read == {
        "A.b:80": "a.b",
        "a.b": "a.b",
        "[::1]": "[::1]",
        "[::1]:8000": "[::1]",
        "a:b": "a:b",
    }


async def test_an_unknown_name_is_refused_except_by_a_probe(world: World) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", ""):
        refused = await world.client.get("/", headers={"Host": host})
        assert (refused.status_code, refused.json()["code"]) == (421, "unknown_host"), host
        probed = await world.client.get("/healthz", headers={"Host": host or "10.1.2.3:8000"})
        assert probed.status_code == 200


async def test_no_header_decides_where_an_address_leads(world: World) -> None:
    lies = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example",
        "X-Original-URL": "/admin",
    }
    submitted = await world.submit(by=world.customer | lies, plan="free")
    page = urlsplit(submitted.json()["checkout_url"])
    assert f"{page.scheme}://{page.netloc}" == str(world.client.base_url).rstrip("/")


# --- where a redirect may lead -----------------------------------------------------------------


async def test_no_redirect_leads_away(world: World) -> None:
    request_id = await world.book()
    console = await world.browser(Role.OPERATOR, UUID(int=7))
    here = str(world.client.base_url).rstrip("/")
    asked = [(console, f"/admin?request={one}") for one in map(quoted, ELSEWHERE)]
    asked += [(console, f"/admin?request={request_id}")]
    for headers, path in asked:
        answer = await world.client.get(path, headers=headers)
        assert answer.status_code == 303, path
        target = world.client.base_url.join(answer.headers["location"])
        assert str(target).startswith(f"{here}/admin"), (path, target)
    for page in ("/intake", "/dashboard", f"/requests/{request_id}", "/mechanic", "/"):
        for name in ("next", "url", "return_to", "said", "redirect"):
            path = f"{page}?{name}=https://evil.example"
            answer = await world.client.get(path, headers=world.customer)
            assert "evil.example" not in answer.headers.get("location", "")


def quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


# --- whose address it is -----------------------------------------------------------------------


PROXIES = Proxies.of(settings(HEADSTART_TRUSTED_PROXIES="10.0.0.0/8, fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),  # nobody vouches for this
        ("10.0.0.2", [], "10.0.0.2"),
        ("10.0.0.2", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.2", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),  # the first is the client's own
        ("10.0.0.2", ["198.51.100.1, 10.0.0.9"], "198.51.100.1"),
        ("10.0.0.2", ["1.1.1.1", "198.51.100.1, 10.0.0.9"], "198.51.100.1"),
        ("10.0.0.2", ["unknown"], "10.0.0.2"),
        ("10.0.0.2", ["198.51.100.1, <script>"], "10.0.0.2"),
        ("10.0.0.2", ["198.51.100.1, "], "10.0.0.2"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_only_a_trusted_proxy_is_believed(peer: str, forwarded: list[str], client: str) -> None:
    assert PROXIES.client(peer, forwarded) == client


def test_nobody_is_trusted_unless_configured() -> None:
    assert Proxies.of(settings()).client("127.0.0.1", ["198.51.100.1"]) == "127.0.0.1"


def test_a_long_chain_of_proxies_is_not_followed_for_ever() -> None:
    assert PROXIES.client("10.0.0.2", [", ".join(["1.1.1.1", *["10.0.0.3"] * 500])]) == "10.0.0.3"


def test_one_customers_network_counts_as_one_place() -> None:
    assert neighbourhood("2001:db8:1:2:3:4:5:6") == neighbourhood("2001:db8:1:2::9")
    assert neighbourhood("2001:db8:1:2::9") != neighbourhood("2001:db8:1:3::9")
    assert neighbourhood("::ffff:203.0.113.5") == neighbourhood("203.0.113.5") == "203.0.113.5"


@pytest.fixture
async def behind_a_proxy(database: str) -> AsyncIterator[World]:
    """A service that trusts this machine's word, and lets an address ask sixty times."""
    async with world_on(
        database,
        looping=False,
        HEADSTART_TRUSTED_PROXIES="127.0.0.0/8",
        HEADSTART_RATE_ADDRESS_PER_MINUTE=60,
    ) as made:
        yield made


async def test_each_client_behind_a_proxy_has_its_own_allowance(behind_a_proxy: World) -> None:
    async def ask(client: str) -> int:
        path, headers = "/api/v1/openapi.json", {"X-Forwarded-For": client}
        return (await behind_a_proxy.client.get(path, headers=headers)).status_code

    statuses = [await ask("198.51.100.1") for _ in range(70)]
    assert statuses[:60] == [200] * 60
    assert statuses[-1] == 429
    assert await ask("198.51.100.2") == 200
