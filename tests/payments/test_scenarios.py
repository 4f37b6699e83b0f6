"""The scenarios that are also played against the real Stripe, in the sandbox."""

import pytest

from . import scenarios
from .stand import Stand


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda each: each.__name__)
async def test_the_sandbox_behaves_like_it(scenario: scenarios.Scenario, stand: Stand) -> None:
    await scenario(stand)


def test_no_scenario_is_forgotten() -> None:
    named = {
        name
        for name, each in vars(scenarios).items()
        if getattr(each, "__module__", "") == scenarios.__name__
        and callable(each)
        and not name.startswith("_")
    }
    assert named - {"Venue", "key"} == {each.__name__ for each in scenarios.SCENARIOS}
