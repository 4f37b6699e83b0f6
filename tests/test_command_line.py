"""The command line: what works, and that what does not is one clear line and exit code 1."""

import asyncio
import json
import sys
from base64 import b64encode
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from headstart import command_line
from headstart.settings import Settings
from headstart.store.people import PeopleStore
from headstart.store.postgres import connected
from headstart.wiring import DEMO_SECRET

SECRET = "a secret of more than thirty-two characters"
PROVIDER = "https://id.example"
OIDC = {"HEADSTART_OIDC_ISSUER": PROVIDER, "HEADSTART_OIDC_CLIENT_ID": "shop"}
WITHOUT_KEYS = json.dumps([{"issuer": PROVIDER, "algorithms": ["RS256"]}])
OURSELVES = json.dumps([{"issuer": "headstart", "algorithms": ["HS256"], "secret": SECRET}])
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
SANDBOX = {
    "STRIPE_SECRET_KEY": "sk_test_x",
    "STRIPE_WEBHOOK_SECRET": "whsec_x",
    "HEADSTART_STRIPE_API_BASE": "http://127.0.0.1:1",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Nothing configured but a secret; no patience with a database that is not there."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)
    monkeypatch.setenv("HEADSTART_JWT_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("headstart.wiring.START_PATIENCE_S", 0.0)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Run":
    """Run a command as a person would."""
    return Run(monkeypatch, capsys)


class Run:
    """Exit code and what was printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: str, **environment: str) -> tuple[int, str, str]:
        """``headstart words``, with some more environment."""
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.setattr(sys, "argv", ["headstart", *words])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        printed = self._capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"PRIORITY_WINDOW_MINUTES": "soon"}, "PRIORITY_WINDOW_MINUTES"),
        ({"PRIORITY_WINDOW_MINUTES": "0"}, "PRIORITY_WINDOW_MINUTES"),
        ({"PRIORITY_WINDOW_MINUTES": "26"}, "to ask everybody"),
        ({"ENABLE_FAVORITES_PRIORITY": "perhaps"}, "ENABLE_FAVORITES_PRIORITY"),
        ({"HEADSTART_OFFLINE_POLICY": "pray"}, "HEADSTART_OFFLINE_POLICY"),
        ({"HEADSTART_JOIN_LIMIT_MINUTES": "1e300"}, "HEADSTART_JOIN_LIMIT_MINUTES"),
        ({"HEADSTART_PRESENCE_LEASE_S": "inf"}, "HEADSTART_PRESENCE_LEASE_S"),
        ({"HEADSTART_OFFLINE_WINDOW_MINUTES": "nan"}, "HEADSTART_OFFLINE_WINDOW_MINUTES"),
        ({"HEADSTART_JWT_SECRET": "short"}, "32 characters"),
        ({"HEADSTART_JWT_SECRET": "password" * 8}, "too simple"),
        (
            {"DATABASE_URL": NOWHERE, "HEADSTART_JWT_SECRET": DEMO_SECRET},
            "HEADSTART_JWT_SECRET can be guessed",
        ),
        ({"HEADSTART_ISSUERS": "my provider"}, "HEADSTART_ISSUERS: this is no JSON list"),
        (
            {"DATABASE_URL": NOWHERE, "HEADSTART_ISSUERS": WITHOUT_KEYS},
            "HEADSTART_ISSUERS: number 1: give either",
        ),
        (
            {"DATABASE_URL": NOWHERE, "HEADSTART_ISSUERS": OURSELVES},
            "is what we are called ourselves",
        ),
        ({"HEADSTART_OIDC_ISSUER": PROVIDER}, "needs HEADSTART_OIDC_CLIENT_ID"),
        ({"HEADSTART_OIDC_CLIENT_ID": "shop"}, "needs HEADSTART_OIDC_ISSUER"),
        ({**OIDC, "HEADSTART_OIDC_SCOPES": "email"}, "must have openid"),
        ({**OIDC, "HEADSTART_PUBLIC_URL": "http://shop.example"}, "must be https"),
        ({**OIDC, "DATABASE_URL": NOWHERE}, "must stand in HEADSTART_ISSUERS"),
        ({"HEADSTART_MODE": "demo", "HEADSTART_HOST": "0.0.0.0"}, "loopback only"),
        ({"DATABASE_URL": NOWHERE}, "the database cannot be reached"),
        ({"DATABASE_URL": NOWHERE, **SANDBOX, "STRIPE_SECRET_KEY": "sk_live_x"}, "live"),
        ({"DATABASE_URL": NOWHERE, **SANDBOX, "STRIPE_WEBHOOK_SECRET": "x"}, "whsec_"),
        ({"DATABASE_URL": NOWHERE, **SANDBOX, "STRIPE_WEBHOOK_SECRET": ""}, "whsec_"),
    ],
)
def test_what_stops_a_start_is_said_in_one_line(given: dict[str, str], says: str, run: Run) -> None:
    code, out, err = run("serve", **given)
    assert code == 1
    assert says in err
    assert err.startswith("headstart: ")
    assert err.count("\n") == 1
    assert "Traceback" not in out + err


def test_production_needs_a_secret(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADSTART_JWT_SECRET")
    code, _, err = run("token", "--role", "mechanic", "--id", str(uuid4()))
    assert (code, err) == (
        1,
        "headstart: HEADSTART_JWT_SECRET must be set: without it nobody can be signed in\n",
    )


def test_a_token_is_minted_from_the_configured_secret(run: Run) -> None:
    mechanic = uuid4()
    code, out, _ = run("token", "--role", "mechanic", "--id", str(mechanic))
    assert code == 0
    claims = jwt.decode(out.strip(), SECRET, algorithms=["HS256"], audience="headstart")
    assert (claims["role"], claims["sub"]) == ("mechanic", str(mechanic))


@pytest.mark.parametrize(
    "words", [("token", "--role", "king", "--id", "x"), ("fly",), ("explain", "not-an-id")]
)
def test_a_wrong_word_is_named_with_exit_code_2(words: tuple[str, ...], run: Run) -> None:
    code, _, err = run(*words)
    assert code == 2
    assert "Traceback" not in err


def test_the_flag_is_switched_with_its_history(run: Run, database: str) -> None:
    code, out, _ = run("flags", "list", DATABASE_URL=database)
    assert (code, out) == (0, "ENABLE_FAVORITES_PRIORITY is off for 100 % of customers\n")
    code, out, _ = run("flags", "set", "on", "--rollout", "25", "--reason", "a trial")
    assert code == 0
    assert "is on for 25 % of customers" in out
    assert "operator:command-line: off 100 % → on 25 % (a trial)" in out
    why = ("--reason", "a trial")
    assert run("flags", "set", "maybe", *why)[0] == 1
    assert run("flags", "set", "on", "--name", "OTHER", *why)[0] == 1
    assert run("flags", "set", "on", "--reason", " ")[0] == 1
    assert run("flags", "set", "on")[0] == 2


def test_the_doctor_finds_what_is_wrong_and_says_so(run: Run, database: str) -> None:
    key = b64encode(bytes(range(32))).decode()
    code, out, _ = run("doctor", "--json", DATABASE_URL=database, HEADSTART_CHECKPOINT_KEY=key)
    assert code == 0, out
    assert json.loads(out)["healthy"] is True
    asyncio.run(execute(database, "alter table session_events disable trigger append_only"))
    code, out, _ = run("doctor")
    assert code == 1
    assert "failure  guards: trigger append_only of session_events" in out
    code, out, _ = run("doctor", "--public-key")
    assert (code, len(out.strip())) == (0, 44)
    short = b64encode(bytes(range(16))).decode()
    code, _, err = run("doctor", HEADSTART_CHECKPOINT_KEY=short)
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("headstart: HEADSTART_CHECKPOINT_KEY must be 32 bytes in base64")


async def execute(database: str, sql: str) -> None:
    """As the owner of the database."""
    async with connected(database, connections_max=1, role=None) as pool:
        await pool.execute(sql)


def test_explaining_what_does_not_exist_says_so(run: Run, database: str) -> None:
    code, _, err = run("explain", str(uuid4()), DATABASE_URL=database)
    assert code == 1
    assert "there is no session request" in err


def test_migrating_twice_is_harmless(run: Run, database: str) -> None:
    assert run("migrate", DATABASE_URL=database) == (0, "the database is up to date\n", "")


async def _advance(database: str) -> None:
    async with connected(database, connections_max=2) as pool:
        await PeopleStore(pool).advance_clock(timedelta(minutes=60))


def test_production_refuses_a_database_whose_clock_was_moved(run: Run, database: str) -> None:
    asyncio.run(_advance(database))
    code, _, err = run("serve", DATABASE_URL=database)
    assert code == 1
    assert "the test clock of this database runs 1:00:00 ahead" in err


def test_a_plan_whose_window_does_not_fit_stops_the_start(run: Run, database: str) -> None:
    async def widen() -> None:
        async with connected(database, connections_max=2, role=None) as pool:
            await pool.execute("update plans set priority_window_minutes = 29 where code = 'quick'")

    asyncio.run(widen())
    code, _, err = run("serve", DATABASE_URL=database)
    assert code == 1
    assert "plan quick: priority windows of 29 min leave less than 5 min" in err
