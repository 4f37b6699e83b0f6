"""The card in the documentation is what the rules do, not what somebody remembers of them."""

from pathlib import Path

from headstart.lab.card import render_card

CARD = Path(__file__).parents[2] / "docs" / "reference" / "rules-card.md"
REGENERATE = f"./dev run -- python -m headstart.lab.card > {CARD.relative_to(CARD.parents[2])}"


def test_the_card_in_the_docs_is_what_the_rules_do() -> None:
    written = CARD.read_text(encoding="utf-8") if CARD.exists() else ""
    assert written == render_card(), f"the rules have changed. Write the card again:\n{REGENERATE}"
