"""The world of the web tests, and worlds that are configured otherwise."""

from tests.web.conftest import world

__all__ = ["world"]
