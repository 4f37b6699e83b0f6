"""What the settings say about requests created from now on."""

from dataclasses import dataclass, replace
from datetime import timedelta

from headstart.app.ports import Plan
from headstart.core.policy import Policy
from headstart.core.request import ChainStep, MechanicId


@dataclass(frozen=True, slots=True)
class Terms:
    """The policy without the flag's answer, and the window of plans that have none of their own."""

    base_policy: Policy
    window: timedelta

    def policy(self, *, priority_enabled: bool) -> Policy:
        """What a request takes with it for good."""
        return replace(self.base_policy, priority_enabled=priority_enabled)

    def window_of(self, plan: Plan) -> timedelta:
        """How long one favourite is asked alone."""
        return plan.priority_window or self.window

    def chain(self, preferred: tuple[MechanicId, ...], plan: Plan) -> tuple[ChainStep, ...]:
        """The favourites in order, each with their window."""
        return tuple(ChainStep(mechanic, self.window_of(plan)) for mechanic in preferred)
