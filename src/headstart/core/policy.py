"""The policy a request takes with it: a setting changed later never changes it in flight."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

CHAIN_STEPS_MAX = 5
EXTENSIONS_MAX = 2  # of one favourite's window


class OfflinePolicy(StrEnum):
    """What to do with the window of a favourite who is offline."""

    WAIT = "wait"  # the plan: tell them anyway and let the window run
    SHORTEN = "shorten"  # let a shorter window run
    SKIP = "skip"  # go on at once


class PolicyError(ValueError):
    """A window or a limit that would leave somebody waiting for nothing."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Times are lengths; ``priority_enabled`` is the flag's answer for this customer."""

    priority_enabled: bool
    offline: OfflinePolicy
    offline_window: timedelta
    overall_limit: timedelta
    broadcast_minimum: timedelta
    join_limit: timedelta | None
    extension: timedelta = timedelta(minutes=5)  # of requests older than the setting, too

    @property
    def priority_limit(self) -> timedelta:
        """How much of the overall limit favourites may use, all windows together."""
        return self.overall_limit - self.broadcast_minimum


def require_room_to_broadcast(policy: Policy, *windows: timedelta) -> None:
    """Refuse windows that leave no time to ask everybody inside the overall limit.

    Called whenever a window or a limit is set, so that no request ever meets such a policy.
    """
    total = sum(windows, timedelta())
    if any(window <= timedelta() for window in windows):
        raise PolicyError("a priority window must be longer than zero minutes")
    if total > policy.priority_limit:
        raise PolicyError(
            f"priority windows of {_minutes(total)} min leave less than"
            f" {_minutes(policy.broadcast_minimum)} min to ask everybody"
            f" inside the overall limit of {_minutes(policy.overall_limit)} min"
        )


def _minutes(length: timedelta) -> str:
    return f"{length.total_seconds() / 60:g}"
