"""Settings that must stop the start, and settings that are cleaned."""

import pytest

from headstart.payments.gateway import check_configuration
from headstart.payments.sandbox import SANDBOX_SECRET_KEY, SANDBOX_WEBHOOK_SECRET

TEST_KEY, LIVE_KEY, HOOK = "sk_test_abc", "sk_live_abc", "whsec_abc"
SANDBOX = "http://127.0.0.1:4242"


@pytest.mark.parametrize(
    ("key", "secret", "base", "livemode"),
    [
        (TEST_KEY, HOOK, None, False),
        (TEST_KEY, HOOK, SANDBOX, False),
        ("rk_test_abc", HOOK, SANDBOX, False),
        (LIVE_KEY, HOOK, None, True),
        ("rk_live_abc", HOOK, "https://api.stripe.com/", True),
        (SANDBOX_SECRET_KEY, SANDBOX_WEBHOOK_SECRET, SANDBOX, False),
    ],
)
def test_sound_settings_pass(key: str, secret: str, base: str | None, livemode: bool) -> None:
    assert check_configuration(key, secret, base).livemode is livemode


@pytest.mark.parametrize(
    ("key", "secret", "base", "why"),
    [
        (LIVE_KEY, HOOK, SANDBOX, "live"),
        ("rk_live_abc", HOOK, "https://api.stripe.com.evil.test", "live"),
        (LIVE_KEY, SANDBOX_WEBHOOK_SECRET, None, "everybody knows"),
        (LIVE_KEY, f"{HOOK},{SANDBOX_WEBHOOK_SECRET}", None, "everybody knows"),
        (TEST_KEY, SANDBOX_WEBHOOK_SECRET, None, "everybody knows"),
        (TEST_KEY, f"{HOOK},{SANDBOX_WEBHOOK_SECRET}", "https://api.stripe.com", "everybody knows"),
        (TEST_KEY, "", None, "whsec_"),
        (TEST_KEY, "whsec_", None, "whsec_"),
        (TEST_KEY, "abc", None, "whsec_"),
        (TEST_KEY, f"{HOOK},", None, "whsec_"),
        ("", HOOK, None, "sk_test_"),
        ("pk_test_abc", HOOK, None, "sk_test_"),
        ("abc", HOOK, SANDBOX, "sk_test_"),
        (TEST_KEY, HOOK, "127.0.0.1:4242", "http"),
    ],
)
def test_unsound_settings_are_refused_in_one_line(
    key: str, secret: str, base: str | None, why: str
) -> None:
    with pytest.raises(ValueError, match=why) as refusal:
        check_configuration(key, secret, base)
    assert "\n" not in str(refusal.value)
    assert "abc" not in str(refusal.value)


def test_blanks_and_newlines_are_stripped() -> None:
    found = check_configuration(f" {TEST_KEY}\n", f"{HOOK}\n, whsec_old\r\n", f" {SANDBOX}/ ")
    assert found.secret_key == TEST_KEY
    assert found.webhook_secrets == (HOOK, "whsec_old")
    assert found.api_base == SANDBOX


def test_secrets_are_not_shown() -> None:
    shown = repr(check_configuration(TEST_KEY, HOOK, None))
    assert "abc" not in shown
