"""The rules, told as stories: given(events) → when(command) → then(events or refusal)."""

import pytest

pytest.register_assert_rewrite("tests.core.cast")
