"""The reference says what the code does: generated where it can be, compared where it cannot."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute, APIRouter

from headstart.app.messages import EXAMPLES
from headstart.app.views import OFFER_FIELDS
from headstart.core.audience import EVENT_NAMES
from headstart.core.refusals import Refusal
from headstart.lab.reference import COMMAND, FILES, PARTS, parts_of, remade
from headstart.lab.reference_tables import LABEL_VALUES
from headstart.settings import Settings
from headstart.telemetry import (
    FALLBACKS,
    MATCHES,
    PUBLISHED,
    SOCKET_ENDS,
    SOCKET_JOINS,
    WEBHOOKS,
)
from headstart.web import api, logins, operators, problems, stream, webhook
from headstart.web import pages as web_pages
from tests.docs.pages import DOCS, ROOT, name_of, pages, text_of

REFERENCE = DOCS / "reference"
HEALTH = {"GET /healthz", "GET /readyz", "GET /metrics"}
SOURCE = ROOT / "src" / "headstart"
MIGRATIONS = SOURCE / "store" / "migrations"
_NAMED = re.compile(r"constraint (\w+)")
_SETTING = re.compile(r"\b(?:HEADSTART|STRIPE|PRIORITY|ENABLE)_[A-Z_]+[A-Z]\b|\bDATABASE_URL\b")

generated = [page for page in pages() if parts_of(text_of(page))]


@pytest.mark.parametrize("page", generated, ids=name_of)
def test_a_generated_page_is_what_the_code_says(page: Path) -> None:
    same = remade(text_of(page)) == text_of(page)
    assert same, f"{name_of(page)} is out of date. Make it again:\n{COMMAND}"


@pytest.mark.parametrize("name", FILES)
def test_a_generated_file_is_what_the_code_says(name: str) -> None:
    same = text_of(DOCS / name) == FILES[name]()
    assert same, f"{name} is out of date. Make it again:\n{COMMAND}"


def test_every_generated_part_has_its_page() -> None:
    found = [part for page in generated for part in parts_of(text_of(page))]
    assert sorted(found) == sorted(PARTS)


def test_every_setting_that_is_named_anywhere_exists() -> None:
    known = {str(field.alias) for field in Settings.model_fields.values()}
    for page in pages():
        assert set(_SETTING.findall(text_of(page))) <= known, name_of(page)


# --- the API ---------------------------------------------------------------------------------


def routes_of(*routers: APIRouter) -> Iterator[str]:
    """Method and path of every route."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                yield from (f"{method} {route.path}" for method in route.methods or ())


def listed(page: str, pattern: str) -> set[str]:
    """The first cells of a page's table rows, as far as they look like this."""
    rows = re.findall(r"^\| (`.+?`(?:, `.+?`)*) \|", text_of(REFERENCE / page), re.MULTILINE)
    cells = {cell for row in rows for cell in re.findall(r"`([^`]+)`", row)}
    return {cell for cell in cells if re.fullmatch(pattern, cell)}


def test_every_route_is_listed_and_every_listed_route_exists() -> None:
    rooms = (api, operators, logins, stream, webhook)
    exist = set(routes_of(*(room.router for room in rooms))) | HEALTH
    assert listed("api.md", r"[A-Z]+ /.*") == exist


def test_every_page_of_the_product_is_listed() -> None:
    rooms = [room.router for room in vars(web_pages).values() if hasattr(room, "router")]
    shown = {one for one in routes_of(*rooms) if one.startswith("GET ")}
    assert {f"GET {path}" for path in listed("api.md", r"/.*")} == shown


def problem_codes(folder: Path) -> Iterator[str]:
    """The code of every problem that is made in these modules."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield from _code_of(node, node.func.id)


def _code_of(call: ast.Call, name: str) -> Iterator[str]:
    places = {"Problem": 1, "cls": 1}
    place = places.get(name)
    if place is not None and place < len(call.args):
        argument = call.args[place]
        if isinstance(argument, ast.Constant):
            yield str(argument.value)


def test_every_problem_is_listed() -> None:
    of_pages_only = {"unknown_person", "unknown_payment", "unknown_table"}
    told = {code for _, code, _ in problems._ANSWERS.values()}
    made = (told | set(problem_codes(SOURCE / "web"))) - of_pages_only
    assert {"unauthenticated", "payments_unavailable", "invalid", "internal"} <= made
    assert made | set(Refusal) <= listed("api.md", r"[a-z_]+")


# --- events, metrics, tables -----------------------------------------------------------------


def test_every_message_has_an_example() -> None:
    assert {type(event) for _, event in EXAMPLES} == set(EVENT_NAMES)
    for name in {*EVENT_NAMES.values(), "request_reserved"}:
        assert f"### `{name}`" in text_of(REFERENCE / "events.md")


@pytest.mark.parametrize("page", ["api.md", "events.md"])
def test_the_card_is_told_in_full(page: str) -> None:
    assert all(f"`{name}`" in text_of(REFERENCE / page) for name in OFFER_FIELDS)


def test_every_label_has_its_values() -> None:
    labelled = {
        one.name
        for metric in (FALLBACKS, MATCHES, WEBHOOKS, SOCKET_JOINS, SOCKET_ENDS, PUBLISHED)
        for one in metric.describe()
    }
    assert {metric for metric, _ in LABEL_VALUES} == labelled
    named = re.findall(r"headstart_[a-z_]+", text_of(REFERENCE / "metrics.md"))
    known = set(re.findall(r"headstart_[a-z_]+", PARTS["metrics"]()))
    assert set(named) <= known


def test_every_log_line_worth_an_alarm_exists() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    logs = text_of(REFERENCE / "metrics.md").partition("## Logs")[2]
    names = re.findall(r"`(\w+)`", logs)
    assert names
    assert [name for name in names if f'("{name}"' not in source] == []


def test_every_table_and_every_constraint_is_listed() -> None:
    schema = "\n".join(path.read_text(encoding="utf-8") for path in MIGRATIONS.glob("*.sql"))
    named = set(_NAMED.findall(schema)) | {
        name
        for kind, name in re.findall(r"create (\w+(?: index)?)(?: concurrently)? (\w+)", schema)
        if kind in ("table", "view", "function", "unique index")
    }
    told = set(re.findall(r"`(\w+)(?:\(\))?`", text_of(REFERENCE / "database.md")))
    assert named - told == set()
    columns = listed("database.md", r"[a-z_]+")
    assert [name for name in sorted(columns) if name not in schema and name not in OURS] == []


OURS = {"schema_migrations"}  # the migrations' own table
