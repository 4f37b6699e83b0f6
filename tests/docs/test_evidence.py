"""The page of evidence says what the kept figures say, and nothing that somebody wrote by hand."""

from headstart.lab.evidence import Evidence, page_of
from tests.docs.pages import DOCS, text_of

KEPT = DOCS / "explanation" / "evidence"


def test_the_page_is_made_from_what_was_kept() -> None:
    assert text_of(KEPT.with_suffix(".md")) == page_of(KEPT)


def test_every_part_says_how_to_run_it_again() -> None:
    for path in KEPT.glob("*.json"):
        kept = Evidence.read(path)
        assert kept.command.startswith("./dev prove ")
        assert kept.commit
        assert kept.machine
