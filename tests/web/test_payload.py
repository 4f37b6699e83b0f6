"""What a page makes a browser fetch: every script with all it imports, and every style."""

import gzip
import re

import pytest

from headstart.web.integrity import STATIC, imports_of

TEMPLATES = STATIC.parent / "templates"
PAYLOAD_BYTES_MAX = 60_000  # compressed, as a proxy in front sends it
UNCOMPRESSED_BYTES_MAX = 80_000  # as we send it ourselves
PAGES = sorted(path.name for path in TEMPLATES.glob("*.html") if "extends" in path.read_text())
_SCRIPT = re.compile(r'script\("([\w-]+\.js)"\)')
_STYLE = re.compile(r'stylesheet\("([\w-]+\.css)"\)')
_WORKER = re.compile(r'new (?:Shared)?Worker\("/static/([\w-]+\.js)"')
_EXTENDED = re.compile(r'extends "([\w-]+\.html)"')


def fetched_by(template: str) -> set[str]:
    """The files of a page, those of the frame it stands in included."""
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    scripts = set(_SCRIPT.findall(text))
    scripts |= {one for script in scripts for one in imports_of(script)}
    sources = "".join((STATIC / one).read_text(encoding="utf-8") for one in scripts)
    files = scripts | set(_STYLE.findall(text)) | set(_WORKER.findall(sources))
    return files.union(*(fetched_by(one) for one in _EXTENDED.findall(text)))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_light(page: str) -> None:
    files = [(STATIC / name).read_bytes() for name in fetched_by(page)]
    assert sum(len(gzip.compress(one)) for one in files) <= PAYLOAD_BYTES_MAX
    assert sum(map(len, files)) <= UNCOMPRESSED_BYTES_MAX


def test_everything_is_counted() -> None:
    mechanic = fetched_by("mechanic.html")
    assert {"style.css", "mechanic.css", "mechanic.js", "region.js", "heartbeat.js"} <= mechanic
    everything = set().union(*map(fetched_by, PAGES))
    code = {one.name for one in STATIC.iterdir() if one.suffix in (".js", ".css")}
    assert code - everything == set()
