"""What our own scripts and styles are, so that a browser runs nothing else in their place.

The hashes are computed once, when the process first shows a page. A script that imports others
is shown together with them: a module preloaded with its hash is the module that is imported.
"""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha384
from pathlib import Path

from markupsafe import Markup

STATIC = Path(__file__).parent / "static"
_IMPORT = re.compile(r"""^import\s[^;]*?["']\./([\w-]+\.js)["'];$""", re.MULTILINE)


def hash_of(content: bytes) -> str:
    """As the ``integrity`` attribute has it."""
    return f"sha384-{b64encode(sha384(content).digest()).decode()}"


@cache
def integrity_of(name: str) -> str:
    """The hash of one of our files."""
    return hash_of((STATIC / name).read_bytes())


@cache
def imports_of(name: str) -> tuple[str, ...]:
    """Every module that a script brings with it, each once, in the order they are met."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        text = (STATIC / waiting.pop(0)).read_text(encoding="utf-8")
        new = [one for one in _IMPORT.findall(text) if one not in found and one != name]
        found.update(dict.fromkeys(new))
        waiting += new
    return tuple(found)


@cache
def script(name: str) -> Markup:
    """A script with everything it imports, each of them under its hash."""
    preloaded = [
        f'<link rel="modulepreload" href="/static/{one}" integrity="{integrity_of(one)}">'
        for one in imports_of(name)
    ]
    tag = f'<script type="module" src="/static/{name}" integrity="{integrity_of(name)}"></script>'
    return Markup("\n".join([*preloaded, tag]))


@cache
def stylesheet(name: str) -> Markup:
    """A style sheet under its hash."""
    return Markup(f'<link rel="stylesheet" href="/static/{name}" integrity="{integrity_of(name)}">')
