"""What is dangerous is done nowhere, or in one known place."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.habits.source import committed, imports_of, modules, room_of

NOT_THE_SERVICE = ("headstart.lab", "headstart.payments.sandbox")
SCRIPTS = {name: text for name, text in committed().items() if name.endswith(".js")}
TEMPLATES = {name: text for name, text in committed().items() if name.endswith(".html")}


def service() -> Iterator[tuple[str, ast.Module]]:
    """The modules that run where there is something to lose."""
    for name, tree in modules().items():
        if not name.startswith(NOT_THE_SERVICE):
            yield name, tree


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Every call, by the name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            named = node.func
            if isinstance(named, ast.Attribute):
                yield named.attr, node
            elif isinstance(named, ast.Name):
                yield named.id, node


def who_calls(*names: str) -> set[str]:
    return {module for module, tree in service() for name, _ in calls(tree) if name in names}


def who_imports(*names: str) -> set[str]:
    return {
        module
        for module, tree in service()
        if any(one.partition(".")[0] in names for one in imports_of(tree))
    }


def test_nothing_is_evaluated() -> None:
    evaluating = {"eval", "exec", "from_string", "Template", "loads_insecure", "literal_eval"}
    assert who_calls(*evaluating) == set()
    assert who_imports("pickle", "marshal", "shelve", "yaml", "xml", "code", "ctypes") == set()


def test_nothing_is_marked_as_safe_but_our_own_tags() -> None:
    assert who_calls("Markup") == {"headstart.web.integrity"}
    for name, text in TEMPLATES.items():
        assert not re.search(r"\|\s*safe\b|autoescape", text), name


def test_no_statement_is_glued_together() -> None:
    """Where SQL is made from parts, in the migrations and the embedded server, no part of it comes
    from a request."""
    own = {"headstart.store.migrate", "headstart.store.embedded.server"}
    glued = {
        module
        for module, tree in service()
        for name, call in calls(tree)
        if room_of(module) == "store"
        if name in ("execute", "fetch", "fetchval", "fetchrow", "executemany") and call.args
        if isinstance(call.args[0], ast.JoinedStr | ast.BinOp)
    }
    assert glued <= own


def test_the_service_starts_no_program_but_its_database() -> None:
    assert all(
        module.startswith("headstart.store.embedded") for module in who_imports("subprocess")
    )
    assert who_calls("system", "popen", "create_subprocess_shell", "create_subprocess_exec") == (
        set()
    )


def test_no_format_is_made_from_input() -> None:
    """Where something is filled in by ``format``, the form is ours and stands in the module."""
    assert who_calls("format", "format_map", "vformat") == {
        "headstart.app.audit.canonical",
        "headstart.web.openapi",
        "headstart.web.story",
    }


def test_no_pattern_is_made_from_input() -> None:
    for module, tree in service():
        for name, call in calls(tree):
            owner = call.func.value if isinstance(call.func, ast.Attribute) else None
            if isinstance(owner, ast.Name) and owner.id == "re" and name != "escape":
                pattern = call.args[0]
                parts = pattern.values if isinstance(pattern, ast.JoinedStr) else [pattern]
                variable = [one.value for one in parts if isinstance(one, ast.FormattedValue)]
                named = [one for one in variable if not (isinstance(one, ast.Name))]
                assert named == [], module
                assert all(one.id.isupper() for one in variable if isinstance(one, ast.Name))
                assert isinstance(pattern, ast.Constant | ast.JoinedStr), module


def test_no_outdated_hash_is_used() -> None:
    for module, tree in service():
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {one.rpartition(".")[2] for one in imports_of(tree)}
        assert not names & {"md5", "sha1", "sha", "md4", "ripemd160"}, module


def test_chance_for_secrets_comes_from_the_system() -> None:
    allowed = {"headstart.app"}  # waits between attempts: nothing that must not be guessed
    found = who_imports("random")
    assert {module for module in found if f"headstart.{room_of(module)}" not in allowed} == set()


def test_no_path_is_made_from_a_request() -> None:
    web = who_imports("pathlib", "os", "shutil", "tempfile")
    assert {module for module in web if room_of(module) == "web"} <= {"headstart.web.integrity"}
    assert {module for module in who_calls("FileResponse", "open") if room_of(module) == "web"} <= {
        "headstart.web.stream",  # opens seals
    }


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_keeps_anything_in_the_browser(name: str) -> None:
    text = SCRIPTS[name]
    for kept in ("localStorage", "sessionStorage", "indexedDB", "document.cookie", "caches."):
        assert kept not in text
    assert not re.search(r"__proto__|Object\.setPrototypeOf|\w\[[^\]\"']+\]\s*=[^=>]", text)
