"""What stands in a join. Clients of all ages send all sorts: what cannot be read is the default."""

from typing import Any

from headstart.realtime.protocol.intents import JoinConfig, Replay

_TRUE = frozenset({"true", "1", "yes", "on"})
_PROJECT_KEY = "sb_"  # a publishable or secret key of a project says nothing about a person


def join_config(config: object) -> JoinConfig:
    """Read leniently; an absent ``presence.enabled`` means on."""
    config = _object(config)
    broadcast, presence = _object(config.get("broadcast")), _object(config.get("presence"))
    wanted = broadcast.get("replay")
    replay = _replay(_object(wanted))
    bindings = config.get("postgres_changes")
    return JoinConfig(
        ack=_truth(broadcast.get("ack"), False),
        echo=_truth(broadcast.get("self"), False),
        replay=replay,
        bad_replay=bool(wanted) and replay is None,
        presence=_truth(presence.get("enabled"), True),
        bindings=tuple(one for one in bindings if isinstance(one, dict))
        if isinstance(bindings, list)
        else (),
    )


def token_of(payload: dict[str, Any]) -> str | None:
    """The token in a join or a renewal, under its new or its old name."""
    for name in ("access_token", "user_token"):
        token = payload.get(name)
        if isinstance(token, str) and token.strip() and not token.startswith(_PROJECT_KEY):
            return token.strip()
    return None


def _replay(wanted: dict[str, Any]) -> Replay | None:
    since, limit = _whole(wanted.get("since")), wanted.get("limit")
    if since is None:
        return None
    if limit is None:
        return Replay(since, None)
    known = _whole(limit)
    return Replay(since, known) if known is not None and known > 0 else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _truth(value: object, default: bool) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int):
        return str(value).strip().lower() in _TRUE
    return default


def _whole(value: object) -> int | None:
    """A whole number that fits a time in milliseconds; text of one counts."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < 2**53 else None
