"""Who is present on a topic, and the frames that keep every release of the clients right.

Releases of the JavaScript client corrupt their own state when one diff replaces a meta, or when a
new state meets an old one. Two frames cure it, for sound releases alike: first everything of a key
leaves, then everything of it joins; first an empty state, then the full one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from headstart.realtime.protocol import writing
from headstart.realtime.protocol.versions import Version

Meta = Mapping[str, Any]
Metas = Mapping[str, Meta]  # by ref: one person may be there on several devices
State = Mapping[str, Metas]  # by key


def state_frames(version: Version, topic: str, join_ref: str | None, state: State) -> Iterator[str]:
    """Everybody who is there, for one who has just joined: empty first, then full."""
    yield writing.presence_state(version, topic, join_ref, {})
    if state:
        yield writing.presence_state(version, topic, join_ref, _listed(state))


def change_frames(version: Version, topic: str, before: State, after: State) -> Iterator[str]:
    """What changed: every key that did goes with all it had, and comes with all it has."""
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    leaves = _listed({key: before[key] for key in keys if before.get(key)})
    joins = _listed({key: after[key] for key in keys if after.get(key)})
    if leaves:
        yield writing.presence_diff(version, topic, {}, leaves)
    if joins:
        yield writing.presence_diff(version, topic, joins, {})


def _listed(state: State) -> dict[str, Any]:
    """Every meta carries its ref: one without kills the Python client's receiver for good."""
    return {
        key: {"metas": [{**meta, "phx_ref": ref} for ref, meta in metas.items()]}
        for key, metas in state.items()
        if metas
    }
