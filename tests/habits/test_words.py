"""What is committed speaks of the product: not of who wrote it, on which machine, or from where.

The words are put together here, so that this file does not contain them either.
"""

import re

import pytest

from tests.habits.source import committed, git


def words(*pairs: str) -> str:
    """Alternatives, each written with a gap in it."""
    return "|".join(pair.replace("·", "") for pair in pairs)


TOOLS = words(
    "cla·ude", "anthr·opic", "open·ai", "chat·gpt", "co·pilot", "lang·uage models?", r"\bL·LMs?\b"
)
WORKERS = rf"(?<!user[-_ ])\b(sub-?)?{words('ag·ent')}s?\b"
AUTHORSHIP = words("co-auth·ored-by", "gener·ated (with|by) (an? )?ai", "ai-gener·ated")
TICKETS = rf"\b({words('iss·ue', 'tick·et', 'pull requ·est', 'fix·es', 'clo·ses')}) ?#?\d+\b"
NUMBERS = r"(?<![\w&/#])#\d{1,5}\b"
MACHINE = rf"(?<![\w.~-])/({words('wo·rk', 'ro·ot', 'opt/py·pi', 'opt/wh·eels', 'Us·ers')})/"
REGISTRIES = words(r"py·pi\.org", r"python·hosted\.org", r"npm·js\.(org|com)", r"proxy\.gol·ang")

BANNED = {
    "tools": TOOLS,
    "workers": WORKERS,
    "authorship": AUTHORSHIP,
    "tickets": TICKETS,
    "machine": MACHINE,
    "registries": REGISTRIES,
}
PROSE = (".py", ".md", ".sql", ".toml", ".yml", ".yaml", ".txt")  # elsewhere a number is a colour


@pytest.mark.parametrize("pattern", BANNED.values(), ids=BANNED.keys())
def test_no_file_names_it(pattern: str) -> None:
    banned = re.compile(pattern, re.IGNORECASE)
    assert list(findings(banned, committed())) == []


def test_no_text_refers_to_a_number_that_only_its_authors_can_look_up() -> None:
    prose = {name: text for name, text in committed().items() if name.endswith(PROSE)}
    assert list(findings(re.compile(NUMBERS), prose)) == []


@pytest.mark.parametrize("pattern", BANNED.values(), ids=BANNED.keys())
def test_no_commit_message_names_it(pattern: str) -> None:
    assert re.findall(pattern, git("log", "--format=%B"), re.IGNORECASE) == []


def findings(banned: re.Pattern[str], texts: dict[str, str]) -> list[str]:
    """Each place, as a person would look it up."""
    return [
        f"{name}:{text.count(chr(10), 0, found.start()) + 1}: {found.group()}"
        for name, text in texts.items()
        for found in banned.finditer(f"{text}\n{name}")
    ]


@pytest.mark.parametrize(
    ("pattern", "guilty", "innocent"),
    [
        (TOOLS, "ask Cl{}aude", "a clause"),
        (WORKERS, "two sub-ag{}ents", "the User-Agent header"),
        (TICKETS, "see iss{}ue 12", "issue a refund within 5 days"),
        (NUMBERS, "as in #{}12", "&#39; and page.md#3"),
        (MACHINE, "in /wo{}rk/here", "a/path/to/work/here"),
        (REGISTRIES, "https://py{}pi.org/simple", "a package index"),
    ],
)
def test_the_check_finds_what_it_looks_for(pattern: str, guilty: str, innocent: str) -> None:
    assert re.search(pattern, guilty.format(""), re.IGNORECASE)
    assert not re.search(pattern, innocent, re.IGNORECASE)
