"""The documentation as its tests see it: pages, headings, links, shell commands."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FRONT = (ROOT / "README.md", ROOT / "CHANGELOG.md")

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)", re.DOTALL)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_PROMPT = re.compile(r"^\$ (.+)$", re.MULTILINE)


def pages() -> list[Path]:
    """Every page there is, the front ones first."""
    return [*FRONT, *sorted(DOCS.rglob("*.md"))]


def name_of(page: Path) -> str:
    """As a person calls it."""
    return str(page.relative_to(ROOT))


@cache
def text_of(page: Path) -> str:
    """Everything on a page."""
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """A page without its blocks of code."""
    return _FENCED.sub("", text_of(page))


def links_of(page: Path) -> Iterator[str]:
    """Where a page leads to within the repository."""
    return (one for one in _LINK.findall(prose_of(page)) if "://" not in one)


def anchors_of(page: Path) -> set[str]:
    """What the part of a link behind the ``#`` may be."""
    return {_slug(heading) for heading in _HEADING.findall(prose_of(page))}


def _slug(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.strip().replace(" ", "-")


def typed_on(page: Path) -> Iterator[str]:
    """Every command that a page asks its reader to type."""
    for language, block in _FENCED.findall(text_of(page)):
        if language == "console":
            yield from _PROMPT.findall(block.replace("\\\n", " "))
