"""The page of `postino report`: what it reveals, and that it needs nothing else."""

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.meanings import BUCKETS as BUCKET_NAMES
from report.meanings import OF_WHAT, STEPS, TIMES
from report.page import page
from report.summary import median, numbers_of, premium
from report.suppression import FEW, suppressed
from storage.counters import Counted
from storage.facts import BUCKETS, FAILURES, LONGER, TO_PAY, TO_READ, premium_in
from storage.tally import Group, Sums
from tests.html_reader import HtmlReader

NOW = datetime(2026, 11, 29, 13, 0, tzinfo=UTC)
FACTS = (
    *("requests", "reachable", "reached/ACCEPTED", "reached/PROCESSED", "reached/READ", "reached/PAID"),
    *("delivered/premium", "delivered/payment", "to_read/1h", "to_read/longer", "to_read/seconds"),
    *("to_pay/7d", "now/SKIPPED/sender_not_allowed", "now/IN_DOUBT/timeout", "now/FAILED/"),
)
FULL = Counter({fact: 100 - number for number, fact in enumerate(FACTS)})


def _page(numbers: Counter[str], *, campaign: str | None = "TARI 2026") -> str:
    groups = [
        Counted(Group(campaign, "tributi"), Sums(Counter({premium_in(2026): numbers["requests"]})), None)
    ]
    document = {
        "campaign": campaign,
        "service": None,
        "first_at": NOW,
        "last_at": NOW,
        **numbers_of(suppressed(numbers), campaign),
        "premium": premium(groups, NOW, suppressed),
        "counters": {"rebuilt_at": NOW, "uncertain": 0, "lost_hosts": []},
    }
    return page(document, NOW)


@given(st.dictionaries(st.sampled_from(FACTS), st.tuples(st.integers(0, 40), st.integers(0, 4))))
def test_small_groups_change_nothing(numbers: dict[str, tuple[int, int]]) -> None:
    """Fewer than five people more or less change nothing on the page, alone or by a difference."""
    more = Counter({fact: 5 * fives + rest for fact, (fives, rest) in numbers.items()})
    less = Counter({fact: 5 * fives for fact, (fives, _) in numbers.items()})
    assert _page(more) == _page(less)


def test_page_of_few_requests_has_no_number() -> None:
    """With fewer than five requests every number is «meno di 5», zero included."""
    few = HtmlReader(_page(Counter(dict.fromkeys(FACTS, 4))))
    numbers = [text for text in few.text if re.fullmatch(r"[\d.]+", text.strip())]
    assert numbers == []
    assert FEW in few.text


def test_numbers_are_multiples_of_five() -> None:
    """Every number of a table or plot is a multiple of five."""
    texts = [text.strip().replace(".", "") for text in HtmlReader(_page(FULL)).text]
    numbers = [int(text) for text in texts if text.isdecimal()]
    assert len(numbers) > 20
    assert not [number for number in numbers if number % 5]


def test_page_is_well_formed_and_needs_nothing_else() -> None:
    """Every tag is closed in order, ids are unique, references resolve, and nothing is loaded or run."""
    source = _page(FULL)
    read = HtmlReader(source)
    assert read.open == []
    ids = [str(attributes["id"]) for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {name for _, one in read.tags for name in str(one.get("aria-labelledby", "")).split()}
    linked = [str(attributes["href"]).removeprefix("#") for attributes in read.all("a")]
    filled = re.findall(r"url\(#(\w+)\)", source)
    assert {*named, *linked, *filled} <= set(ids)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in read.tags}
    assert not re.search(r"https?:|@import|src=", source)


def test_each_plot_has_a_name_and_a_table() -> None:
    """Each plot is an image with a title and a description, and a table says the same with headings."""
    read = HtmlReader(_page(FULL))
    plots = [svg for svg in read.all("svg") if svg.get("role") == "img"]
    assert len(plots) == 4
    assert len(read.all("title")) == len(plots) + 1
    assert len(read.all("desc")) == len(plots)
    assert len(read.all("table")) == len(read.all("caption")) == len(plots) + 1
    assert {str(cell.get("scope")) for cell in read.all("th")} == {"row", "col"}
    assert read.all("html") == [{"lang": "it"}]
    assert [tag for tag, _ in read.tags if tag in ("h1", "main", "header", "footer", "nav")] == [
        *("header", "h1", "nav", "main", "footer")
    ]


def test_plots_differ_without_colour() -> None:
    """The four plots have four patterns, and light, dark and print are styled."""
    source = _page(FULL)
    assert set(re.findall(r"url\(#(\w+)\)", source)) == {"solid", "stripes", "dots", "grid"}
    assert "prefers-color-scheme: dark" in source
    assert "@media print" in source


def test_names_are_escaped() -> None:
    """A name that looks like markup is text."""
    source = _page(FULL, campaign="<b>&'")
    assert "<b>" not in source
    assert "&lt;b&gt;&amp;" in source


def test_times_and_steps_have_words() -> None:
    """Each bucket, time and step has its words, and each step but the first says of what it is a share."""
    assert set(BUCKET_NAMES) == {*BUCKETS, LONGER}
    assert set(TIMES) == {TO_READ, TO_PAY}
    assert list(STEPS)[1:] == list(OF_WHAT)
    assert [step["step"] for step in numbers_of(Counter())["funnel"]] == list(STEPS)


def test_every_failure_has_a_remedy() -> None:
    """Each state that is a failure has advice, and its numbers never fall below zero."""
    numbers = Counter({f"now/{state}/": 1 for state in FAILURES} | {"requests": -2})
    document = numbers_of(numbers, "TARI 2026", "tributi")
    assert [one["state"] for one in document["failures"]] == list(FAILURES)
    assert all(one["advice"] for one in document["failures"])
    assert document["total"] == 0


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [({"1h": 1, "6h": 1, "1d": 1}, "6h"), ({"1h": 0, "6h": 2}, "6h"), ({"1h": 3, "6h": 2}, "1h"), ({}, None)],
)
def test_median_is_the_middle_bucket(numbers: dict[str, int], expected: Any) -> None:
    """The median is the first bucket by which half of the times have passed."""
    assert median(numbers) == expected


def test_premium_counts_this_year_in_italy() -> None:
    """Premium messages are summed by service over campaigns, for the calendar year in Italy."""
    this, last = premium_in(2027), premium_in(2026)
    groups = [
        Counted(Group(name, "tributi"), Sums(Counter({this: 3, last: 9})), None) for name in ("imu", "tari")
    ]
    new_year_in_italy = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    assert premium(groups, new_year_in_italy) == {"year": 2027, "services": {"tributi": 6}}
