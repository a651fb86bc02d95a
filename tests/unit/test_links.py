"""Every link within the repository leads somewhere: to a file that is there, and to a heading that it has."""

import re
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link of a page names a file of the repository, and an anchor one of its headings."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("source", ["*.py", "[a-z]*/**/*.py", "docs/**/*.md", "*.md"])
def test_decisions_that_are_named_exist(source: str) -> None:
    """Wherever a decision is named by its path or number, there is one with that number."""
    there = {path.name[:4] for path in (PROJECT / "docs/decisions").iterdir()}
    own = (path for path in PROJECT.glob(source) if "node_modules" not in path.parts)
    named = {
        number.zfill(4)
        for path in own
        for number in re.findall(r"(?:decisions/|[Dd]ecision )(\d+)", path.read_text(encoding="utf-8"))
    }
    assert named <= there
