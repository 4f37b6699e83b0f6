"""The generated parts of the reference pages, written by the code they describe.

``python -m headstart.lab.reference`` writes them into ``docs``; a test compares. A generated part
stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``; the text around it is a person's.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from headstart.lab.asvs import asvs_part
from headstart.lab.reference_access import (
    answers_part,
    doors_part,
    listed_part,
    operations_part,
    private_part,
    socket_part,
    walk_part,
    words_part,
)
from headstart.lab.reference_commands import commands_part
from headstart.lab.reference_events import events_part
from headstart.lab.reference_rows import columns_part, rows_part
from headstart.lab.reference_tables import (
    kinds_part,
    metrics_part,
    refusals_part,
    settings_part,
)
from headstart.web import asyncapi

DOCS = Path(__file__).parents[3] / "docs"
COMMAND = "./dev run -- python -m headstart.lab.reference"

_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def pages_part(folder: str) -> Callable[[], str]:
    """A link to every page of a folder, by its title."""

    def part() -> str:
        found = sorted(path for path in (DOCS / folder).glob("*.md") if path.name != "index.md")
        return "\n".join(f"- [{_title(path)}]({folder}/{path.name})" for path in found)

    return part


def _title(path: Path) -> str:
    found = _TITLE.search(path.read_text(encoding="utf-8"))
    return found[1] if found else path.stem


PARTS: Mapping[str, Callable[[], str]] = {
    "settings": settings_part,
    "refusals": refusals_part,
    "events": events_part,
    "kinds": kinds_part,
    "metrics": metrics_part,
    "commands": commands_part,
    "asvs": asvs_part,
    "operations": operations_part,
    "doors": doors_part,
    "words": words_part,
    "answers": answers_part,
    "listed": listed_part,
    "socket": socket_part,
    "walk": walk_part,
    "private": private_part,
    "rows": rows_part,
    "columns": columns_part,
    "howto_pages": pages_part("how-to"),
    "reference_pages": pages_part("reference"),
    "explanation_pages": pages_part("explanation"),
    "decision_pages": pages_part("decisions"),
}


def remade(text: str) -> str:
    """A page with its generated parts as the code wants them now."""
    return _PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}", text)


def parts_of(text: str) -> list[str]:
    """The names of the generated parts of a page."""
    return [found[2] for found in _PART.finditer(text)]


def asyncapi_file() -> str:
    """The AsyncAPI document, for those who have no running service at hand."""
    return json.dumps(asyncapi.document(), indent=1) + "\n"


FILES: Mapping[str, Callable[[], str]] = {"reference/asyncapi.json": asyncapi_file}


def main() -> None:
    """Write every page whose generated parts have changed, and every file that is generated."""
    pages = {path: remade(path.read_text(encoding="utf-8")) for path in sorted(DOCS.rglob("*.md"))}
    for path, now in {**pages, **{DOCS / name: made() for name, made in FILES.items()}}.items():
        if not path.exists() or path.read_text(encoding="utf-8") != now:
            path.write_text(now, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(DOCS.parent)}\n")


if __name__ == "__main__":
    main()
