"""What every answer carries, and that a browser can hold us to every script and style."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

from headstart.settings import Settings
from headstart.web import integrity
from headstart.web.edges.headers import security_headers
from headstart.web.integrity import STATIC, imports_of, integrity_of
from tests.web.conftest import World

SECRET = "kS0v9bq2Lx8TzR4mWc7YpE1uHn6DfGaJ3"
PAGES = ("/", "/dashboard", "/intake?plan=standard", "/mechanic", "/admin", "/nowhere")


def headers_of(**environment: Any) -> Mapping[str, str]:
    known = {"HEADSTART_JWT_SECRET": SECRET, "HEADSTART_PUBLIC_URL": "https://app.example"}
    return security_headers(Settings(_env_file=None, **(known | environment)))


def test_https_is_insisted_on_for_a_year_where_there_is_https() -> None:
    hsts = headers_of()["Strict-Transport-Security"]
    assert int(re.findall(r"max-age=(\d+)", hsts)[0]) >= 31_536_000
    assert "includeSubDomains" in hsts
    assert "upgrade-insecure-requests" in headers_of()["Content-Security-Policy"]
    plain = headers_of(HEADSTART_PUBLIC_URL="http://localhost:8000")
    assert "Strict-Transport-Security" not in plain


def test_the_policy_allows_nothing_inline_and_nothing_foreign() -> None:
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in headers_of()["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self' https://checkout.stripe.com"
    sources = {name: value for name, value in policy.items() if name.endswith("-src")}
    assert {value for name, value in sources.items() if name != "default-src"} == {"'self'"}
    for loose in ("unsafe", "*", "data:", "blob:", "nonce"):
        assert loose not in headers_of()["Content-Security-Policy"]


def test_no_page_may_use_the_camera_or_anything_like_it() -> None:
    allowed = headers_of()["Permissions-Policy"].split(", ")
    assert {"camera=()", "microphone=()", "geolocation=()", "payment=()"} <= set(allowed)
    assert all(one.endswith("=()") for one in allowed)


EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


async def test_every_answer_carries_them_whatever_it_says(world: World) -> None:
    asked = [
        *(("GET", path, {}) for path in (*PAGES, "/healthz", "/api/v1/openapi.json")),
        *(("GET", f"/static/{name}", {}) for name in ("style.css", "page.js", "mark.svg")),
        ("GET", "/static/nothing.css", {}),
        ("GET", "/", {"Host": "evil.example"}),
        ("POST", "/webhooks/stripe", {}),
        ("POST", "/api/v1/intakes", {"Origin": "https://evil.example"}),
        ("DELETE", "/healthz", {}),
        ("GET", f"/{'x' * 9000}", {}),
    ]
    too_large = await world.client.post("/api/v1/intakes", content=b"x" * 70_000)
    assert too_large.status_code == 413
    assert EVERYWHERE.items() <= dict(too_large.headers).items()
    for method, path, headers in asked:
        answer = await world.client.request(method, path, headers=headers)
        assert "script-src 'self'" in answer.headers["content-security-policy"], path
        assert "camera=()" in answer.headers["permissions-policy"]
        assert EVERYWHERE.items() <= dict(answer.headers).items(), (method, path)
        kept = "no-cache" if path.startswith("/static/") else "no-store"
        assert answer.headers["cache-control"] == kept, (method, path)
        kind = answer.headers.get("content-type", "")
        assert kind or not answer.content, path
        assert "json" in kind or kind.endswith("; charset=utf-8"), (path, kind)
        assert "server" not in answer.headers
        assert "x-powered-by" not in answer.headers


# --- integrity -------------------------------------------------------------------------------


class Assets(HTMLParser):
    """What a page loads, and whatever it has inline."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: dict[str, str | None] = {}
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        if tag == "script" or given.get("rel") in ("stylesheet", "modulepreload"):
            self.loaded[str(given.get("src") or given.get("href"))] = given.get("integrity")


async def test_every_script_and_style_of_every_page_has_the_hash_of_what_is_served(
    world: World,
) -> None:
    request_id = await world.book()
    mechanic, operator = world.mechanic(world.cast.favorite), world.operator
    payer = await world.newcomer()
    unpaid = (await world.submit(by=payer)).json()["checkout_url"].rpartition("/")[2]
    seen: set[str] = set()
    for headers, path in (
        (payer, f"/intake/success?session_id={unpaid}"),
        *((world.customer, path) for path in (*PAGES, f"/requests/{request_id}")),
        (mechanic, "/mechanic"),
        *((operator, path) for path in ("/admin", f"/admin/requests/{request_id}")),
    ):
        page = await world.client.get(path, headers=headers | {"Accept": "text/html"})
        assets = Assets()
        assets.feed(page.text)
        assert assets.inline == [], path
        for address, hash_ in assets.loaded.items():
            assert address.startswith("/static/"), address
            served = (await world.client.get(address)).content
            assert hash_ == integrity.hash_of(served), (path, address)
            seen.add(address.removeprefix("/static/"))
    workers = {"heartbeat.js"}  # there is no integrity for a worker; `worker-src 'self'` holds it
    elsewhere = {"stage.js", "stage.css"}  # the demo's stage is not part of the service
    assert seen | workers | elsewhere == {
        path.name for path in STATIC.iterdir() if path.suffix in (".js", ".css")
    }


def test_a_script_is_shown_with_everything_it_imports() -> None:
    imported = re.compile(r"""from ["']\./([\w-]+\.js)["']""")
    for path in STATIC.glob("*.js"):
        text = path.read_text()
        assert set(imported.findall(text)) <= set(imports_of(path.name)), path.name
        assert "import(" not in text, "what is imported later has no hash"


def test_another_byte_is_another_hash() -> None:
    content = (STATIC / "page.js").read_bytes()
    assert integrity_of("page.js") == integrity.hash_of(content)
    assert integrity.hash_of(content + b" ") != integrity.hash_of(content)


@pytest.mark.parametrize("name", [path.name for path in STATIC.glob("*.js")])
def test_no_script_makes_markup_or_code_out_of_text(name: str) -> None:
    text = (STATIC / name).read_text()
    for sink in ("insertAdjacentHTML", "document.write", "eval(", "createContextualFragment"):
        assert sink not in text
    assert not re.search(r"\b(inner|outer)HTML\s*\+?=(?!=)", text)
    assert not re.search(r"\bnew Function\b|https?://", text)
