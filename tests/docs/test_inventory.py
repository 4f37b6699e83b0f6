"""The inventory of data, secrets and lines of the log leaves nothing out."""

import re

from headstart.edge_settings import SECRETS
from headstart.lab.row_walls import TABLES
from headstart.settings import Settings
from tests.docs.pages import DOCS, ROOT, text_of

PAGE = DOCS / "reference" / "inventory.md"
_LOGGED = re.compile(r"\blog\.(?:info|warning|error|exception)\(\s*\"(\w+)\"")
_QUOTED = re.compile(r"`(\w+)`")


def logged() -> set[str]:
    """Every line that the service writes, by its name."""
    files = (ROOT / "src" / "headstart").rglob("*.py")
    texts = [file.read_text("utf-8") for file in files if "lab" not in file.parts]
    return {name for text in texts for name in _LOGGED.findall(text)}


def test_every_table_secret_and_line_of_the_log_is_on_the_page() -> None:
    named = set(_QUOTED.findall(text_of(PAGE)))
    assert TABLES.keys() - named == set()
    assert set(SECRETS) - named == set()
    assert len(logged()) > 50
    assert logged() - named == set()


def part(heading: str) -> str:
    """The text below a heading, up to the next."""
    return text_of(PAGE).split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_every_quota_bounds_something_expensive() -> None:
    aliases = {str(field.alias) for field in Settings.model_fields.values()}
    quotas = {alias for alias in aliases if "_RATE_" in alias}
    named = set(_QUOTED.findall(part("What is expensive, and what bounds it")))
    assert quotas - named == {"HEADSTART_RATE_PERSON_PER_MINUTE"}, "it bounds everything else"


def test_libraries_have_time_frames_and_every_lock_is_covered() -> None:
    said = part("Libraries")
    assert len(re.findall(r"\| (\d+) days \|", said)) == 4
    assert "`requirements/*.txt`" in said
    assert {lock.suffix for lock in (ROOT / "requirements").iterdir()} == {".txt"}
