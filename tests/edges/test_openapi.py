"""The OpenAPI document says all that can be answered, and every part of it leads somewhere."""

from collections.abc import Iterator
from typing import Any

from headstart.core.refusals import Refusal
from headstart.web import openapi
from headstart.web.problems import PROBLEM_TYPE
from tests.docs.test_reference import SOURCE, problem_codes
from tests.web.conftest import World

Json = dict[str, Any]
OF_PAGES_ONLY = {
    "unknown_table",
    "unknown_payment",
    "unknown_person",
    "sign_in_failed",
    "sign_in_unavailable",
}


async def document(world: World) -> Json:
    found: Json = (await world.client.get("/api/v1/openapi.json")).json()
    return found


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


async def test_every_route_is_in_the_table(world: World) -> None:
    assert dict(operations(await document(world))).keys() == openapi.ANSWERS.keys()


def test_every_problem_has_its_place_in_the_document() -> None:
    made = {*problem_codes(SOURCE / "web"), *map(str, Refusal)} - OF_PAGES_ONLY
    assert made <= openapi.STATUS_OF_CODE.keys() | {"internal"}
    named = {code for answers in openapi.ANSWERS.values() for code in answers.problems}
    everywhere = {*openapi.OF_EVERY_ROUTE, "bad_webhook", "encoded_body", "incomplete"}
    assert openapi.STATUS_OF_CODE.keys() - named - everywhere == {Refusal.RESERVED}


async def test_no_answer_is_left_to_be_guessed(world: World) -> None:
    told = await document(world)
    for name, operation in operations(told):
        for status, answer in operation["responses"].items():
            if status == "204":
                assert "content" not in answer
                continue
            [(kind, content)] = answer["content"].items()
            assert content["schema"], name
            assert (kind == PROBLEM_TYPE) is (int(status) >= 400), (name, status)
        assert "500" not in operation["responses"]
        assert "422" in operation["responses"] or name == "POST /webhooks/stripe"
    for name, schema in told["components"]["schemas"].items():
        if schema.get("type") == "object" and name not in ("NewIntake",):
            assert schema["properties"], name


async def test_every_link_and_reference_leads_to_something(world: World) -> None:
    told = await document(world)
    known = {operation["operationId"]: operation for _, operation in operations(told)}
    assert len(known) == len(openapi.ANSWERS), "no two operations have one name"
    for _, operation in operations(told):
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                taken = {one["name"] for one in known[link["operationId"]]["parameters"]}
                assert link["parameters"].keys() <= taken
    for reference in references(told):
        place: Any = told
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert place


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)
