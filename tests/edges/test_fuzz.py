"""Whatever the OpenAPI document says may be asked, and a good deal that it does not: never a 5xx,
never an answer that the document does not know.

A program that has read nothing but the document (Schemathesis) asks a real server, following the
document's links from answer to request, as everybody there is and as nobody. A short run by
default; ``HEADSTART_TEST_FUZZ_CASES`` says how many cases, ``HEADSTART_TEST_FUZZ_SEED`` which.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid5
from zlib import crc32

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as said

from headstart.core.access import Principal, Role
from headstart.lab.stage import Stage, put_up
from tests.conftest import with_database

CASES = int(os.environ.get("HEADSTART_TEST_FUZZ_CASES", "150"))
SEED = int(os.environ.get("HEADSTART_TEST_FUZZ_SEED", "0"))
IS_LONG = CASES > 2_000
STEPS_MAX = 25  # of one scenario
SCENARIOS_AT_A_TIME = 20
PATIENCE_S = 20
WORLD = UUID("5f0c6c2e-4f0a-4d52-9f5e-0d9a55e1a001")

CHECKS = [
    not_a_server_error,
    said.status_code_conformance,
    said.content_type_conformance,
    said.response_headers_conformance,
    said.response_schema_conformance,
]
MEANT_FOR = {
    "intakes": Role.CUSTOMER,
    "favorites": Role.CUSTOMER,
    "broadcast": Role.CUSTOMER,
    "extension": Role.CUSTOMER,
    "assignment": Role.OPERATOR,
    "cancellation": Role.CUSTOMER,
    "offers": Role.MECHANIC,
    "presence": Role.MECHANIC,
    "acceptance": Role.MECHANIC,
    "declination": Role.MECHANIC,
    "release": Role.MECHANIC,
    "arrival": Role.MECHANIC,
    "completion": Role.MECHANIC,
    "customers": Role.OPERATOR,
    "flags": Role.OPERATOR,
    "logins": Role.OPERATOR,
    "money-troubles": Role.OPERATOR,
    "operations": Role.OPERATOR,
    "operator-actions": Role.OPERATOR,
}


class Crowd:
    """For every scenario somebody new, whom the service knows."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.http = requests.Session()
        self.http.trust_env = False
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._seed = seed
        self._scenario = 0
        self._known: dict[Role, UUID] = {}
        self._tokens: dict[Role, str] = {}

    def next(self) -> None:
        """Another customer, another mechanic, and the operator."""
        self._scenario += 1
        for role in Role:
            person = uuid5(WORLD, f"{role} {self._seed} {self._scenario}")
            lifetime = timedelta(hours=12)
            self._known[role] = person
            self._tokens[role] = self.stage.tokens.mint(Principal(role, person), lifetime=lifetime)
        why = {"reason": "to be asked"}
        mechanic = {"name": "Somebody", "status": "approved"} | why
        customer = {"first_name": "Nia", "last_name": "Newcomer", "email": ""} | why
        self._put(f"mechanics/{self._known[Role.MECHANIC]}", mechanic)
        self._put(f"customers/{self._known[Role.CUSTOMER]}", customer)

    def _put(self, path: str, body: dict[str, str]) -> None:
        headers = {"Authorization": f"Bearer {self._tokens[Role.OPERATOR]}"}
        url = f"{self.stage.server.url}/api/v1/{path}"
        made = self.http.put(url, json=body, headers=headers, timeout=PATIENCE_S)
        assert made.status_code == 200, made.text

    def prepare(self, case: Any, step: int) -> None:
        """Make it somebody's, and now and then something that can succeed. The same case in the
        same place is prepared the same way."""
        about = f"{step} {case.operation.label} {case.path_parameters} {case.body!r}"
        chance = Random(crc32(about.encode("utf-8", "replace")))
        role = self._role(case.operation.path, chance)
        case.headers.pop("Authorization", None)
        streams = case.operation.path.endswith("/stream")
        if streams and not case.headers.get("last-event-id"):
            role = None  # a stream that begins does not end
        if role is not None:
            case.headers["Authorization"] = f"Bearer {self._tokens[role]}"
        elif chance.random() < 0.3:
            case.headers["Authorization"] = chance.choice(("Bearer x.y.z", "Basic eA==", "Bearer"))
        self._make_sense(case, chance)

    def _role(self, path: str, chance: Random) -> Role | None:
        meant = [role for part, role in MEANT_FOR.items() if f"/{part}" in path]
        if chance.random() < 0.85 and meant:
            return meant[0]
        anybody: Role | None = chance.choice((*Role, None))
        return anybody

    def _make_sense(self, case: Any, chance: Random) -> None:
        path, body = case.operation.path, case.body
        if path.endswith("/intakes") and isinstance(body, dict) and chance.random() < 0.7:
            favorite = str(self._known[Role.MECHANIC])
            body |= {"plan": chance.choice(("free", "free", "standard", "micro"))}
            body |= {"contact_email": chance.choice(("", "nia@example.test"))}
            body |= {"preferred_mechanic_id": chance.choice((None, favorite))}
        if path.endswith("/assignment") and isinstance(body, dict) and chance.random() < 0.7:
            body |= {"mechanic_id": str(self._known[Role.MECHANIC]), "reason": "by telephone"}
        if "mechanic_id" in (case.path_parameters or {}) and chance.random() < 0.5:
            case.path_parameters["mechanic_id"] = str(self._known[Role.MECHANIC])
        if "{name}" in path and chance.random() < 0.5:
            case.path_parameters["name"] = "ENABLE_FAVORITES_PRIORITY"


@pytest.fixture(scope="module")
def stage(postgres: str) -> Iterator[Stage]:
    """A server of its own: what is asked here, nobody else wants in their database."""
    with put_up(with_database(postgres, "postgres")) as stage:
        yield stage


def machine_for(stage: Stage, crowd: Crowd) -> Any:
    """The document, as a machine that goes from answer to answer."""
    load_all_checks()
    schema = schemathesis.openapi.from_url(f"{stage.server.url}/api/v1/openapi.json")
    schema.config.update(base_url=stage.server.url)
    machine: Any = schema.as_state_machine()

    class Visitor(machine):  # type: ignore[misc]
        """One scenario."""

        def setup(self) -> None:
            crowd.next()
            self.steps = 0

        def before_call(self, case: Any) -> None:
            self.steps += 1
            crowd.prepare(case, self.steps)

        def get_call_kwargs(self, _case: Any) -> dict[str, Any]:
            return {"session": crowd.http, "timeout": PATIENCE_S, "allow_redirects": False}

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            crowd.answers[f"{case.operation.label} {response.status_code}"] += 1
            try:
                case.validate_response(response, checks=CHECKS)
            except FailureGroup as wrong:  # kept, not raised: what follows may be worse
                crowd.wrong.append(f"{case.operation.label}: {wrong}\n{response.text[:500]}")

    return Visitor


@pytest.mark.timeout(0 if IS_LONG else 120)
def test_no_answer_is_a_5xx_or_outside_the_document(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    crowd, rounds = Crowd(stage, SEED), 0
    settings = hypothesis.settings(
        max_examples=min(SCENARIOS_AT_A_TIME, max(2, CASES // STEPS_MAX)),
        stateful_step_count=STEPS_MAX,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    machine = machine_for(stage, crowd)
    while crowd.answers.total() < CASES and not crowd.wrong:
        # The service remembers, and so no scenario can be played twice in the same way.
        with suppress(FlakyStrategyDefinition):
            hypothesis.seed(SEED + rounds)(machine).run(settings=settings)
        rounds += 1
        if IS_LONG:
            with capsys.disabled():
                report(crowd.answers)
    assert crowd.wrong == []
    assert stage.server.is_running


def report(answers: Counter[str]) -> None:
    """For whoever asked for a long run, and may not see its end."""
    statuses = Counter[str]()
    for name, times in answers.items():
        statuses[name.rpartition(" ")[2]] += times
    lines = [f"{answers.total()} cases, {dict(sorted(statuses.items()))}"]
    if answers.total() >= CASES:
        lines += [f"{times:8} {name}" for name, times in sorted(answers.items())]
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()
