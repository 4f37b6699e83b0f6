"""Whose pages may open a socket."""

from headstart.web.door import may_connect
from tests.web.conftest import settings


def test_only_the_whole_origin_of_an_allowed_site_fits() -> None:
    rule = may_connect(settings("https://own.example", "", HEADSTART_ALLOWED_ORIGINS="https://a.b"))
    assert rule(None)
    assert rule("https://a.b")
    assert rule("https://own.example")
    near = ("http://a.b", "https://a.b.evil", "https://a.b:444", "https://evila.b", "null", "")
    assert not any(map(rule, near))
