"""The pictures of the documentation: all there, none too many, none too large."""

from xml.etree import ElementTree

from headstart.lab.pictures import FALLBACK, PAGE, PLACE, gallery, pictures
from headstart.lab.stepped import Step, drawn
from tests.docs.pages import ROOT

ALL_OF_THEM_BYTES_MAX = 1_500_000
SVG = "{http://www.w3.org/2000/svg}"


def test_every_picture_is_there_and_shown() -> None:
    there = sorted(one.name for one in PLACE.iterdir())
    assert there == pictures()
    assert PAGE.read_text(encoding="utf-8") == gallery()
    assert all(f"../pictures/{name}" in gallery() for name in there if name != FALLBACK)
    assert f"docs/pictures/{FALLBACK}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_they_do_not_weigh_the_repository_down() -> None:
    assert sum(one.stat().st_size for one in PLACE.iterdir()) <= ALL_OF_THEM_BYTES_MAX


def test_the_steps_of_the_fallback_follow_each_other() -> None:
    made = drawn([Step("one & all", [b"a", b"b", b"c"]), Step("two", [b"d", b"e", b"f"])])
    for text in (made, (PLACE / FALLBACK).read_text(encoding="utf-8")):
        groups = ElementTree.fromstring(text).findall(f"{SVG}g")
        assert all(len(group.findall(f"{SVG}image")) == 3 for group in groups)
        delays = [group.attrib["style"] for group in groups]
        assert delays == [f"animation-delay:{5 * number}s" for number in range(len(groups))]
        assert "script" not in text
        assert "prefers-reduced-motion" in text
