"""Nobody who follows the documentation ends nowhere."""

from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, anchors_of, links_of, name_of, pages

INDEX = DOCS / "index.md"

each_page = pytest.mark.parametrize("page", pages(), ids=name_of)


def target_of(page: Path, link: str) -> tuple[Path, str]:
    """The file that a link on a page means, and the place in it."""
    path, _, anchor = link.partition("#")
    return ((page.parent / path).resolve() if path else page), anchor


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links_of(page):
        target, anchor = target_of(page, link)
        assert target.exists(), f"{name_of(page)} links to {link}, and there is no such file"
        assert target.is_relative_to(ROOT), f"{name_of(page)} links out of the repository: {link}"
        if anchor:
            assert anchor in anchors_of(target), f"{name_of(page)}: no such heading: {link}"


def test_every_page_is_reached_from_the_map() -> None:
    reached, waiting = {INDEX}, [INDEX]
    while waiting:
        page = waiting.pop()
        targets = {target_of(page, link)[0] for link in links_of(page)}
        new = {one for one in targets - reached if one.suffix == ".md" and one.exists()}
        reached |= new
        waiting += new
    assert [name_of(page) for page in pages() if page not in reached] == []
