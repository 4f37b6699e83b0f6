"""The page about the sandbox names everything that it understands, and nothing else."""

import re
from dataclasses import fields

from starlette.routing import Route

from headstart.payments.sandbox.server import create_app
from headstart.payments.sandbox.settings import SandboxSettings, Switches
from headstart.payments.sandbox.trouble import CALLS, CODES, Fault
from tests.docs.pages import DOCS, text_of

PAGE = text_of(DOCS / "reference" / "payment-sandbox.md")


def section(title: str) -> str:
    """What stands under a heading."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def listed(title: str) -> set[str]:
    """The first column of a section's table."""
    rows = re.findall(r"^\| (`.*?) \|", section(title), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_every_switch_is_listed() -> None:
    assert listed("Switches") == {each.name for each in fields(Switches)}


def test_every_lever_is_listed() -> None:
    app = create_app(SandboxSettings(public_url="http://sandbox.test"))
    levers = {
        route.path
        for route in app.routes
        if isinstance(route, Route) and route.path.startswith("/_sandbox/")
    }
    elsewhere = {"/_sandbox/resend/{id}", "/_sandbox/wake", "/_sandbox/deliveries"}
    assert listed("Levers") == levers - elsewhere
    assert all(lever.partition("{")[0] in section("Levers") for lever in elsewhere)


def test_every_fault_call_and_code_is_listed() -> None:
    assert listed("Trouble") - {"code"} == set(Fault)
    named = set(re.findall(r"`(\w+)`", section("Trouble")))
    assert named >= CALLS | CODES
    assert named - CALLS - CODES - set(Fault) == {"call", "code"}
