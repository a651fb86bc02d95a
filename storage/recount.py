"""Rebuilds the counters by a scan of the ledger, while hosts may go on counting."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from storage.counters import FLUSH_SECONDS, Counters, live_sums
from storage.facts import COLUMNS, accepted_at, facts_of
from storage.ledger import Ledger
from storage.tally import STEPS, Group, Sums

# A step that is younger than this at the scan may still be in the memory of its process.
UNWRITTEN: Final = timedelta(seconds=3 * FLUSH_SECONDS)


async def recount(ledger: Ledger, counters: Counters, campaign: str | None = None) -> None:
    """Correct the counters of every group, or of a campaign's. Reads the ledger once. Raises Unanswered.

    Exact if no step is taken meanwhile. Otherwise each group says how many steps may be counted twice or
    never. The rows of the hosts are left alone, so a crash half-way leaves only some groups uncorrected.
    """
    began_at = counters.clock()
    before = live_sums(await counters.rows(campaign))
    truth, recent = await _scan(ledger, campaign, began_at - UNWRITTEN)
    after = live_sums(await counters.rows(campaign))
    for group in {*truth, *after}:
        flushed = after[group].numbers[STEPS] - before[group].numbers[STEPS]
        await counters.correct(group, truth[group], after[group], recent[group] + flushed, began_at)
    if campaign is None:
        await counters.recounted(began_at)


async def _scan(
    ledger: Ledger, campaign: str | None, since: datetime
) -> tuple[dict[Group, Sums], Counter[Group]]:
    """Return the sums of each group, and how many of its requests changed after `since`."""
    truth: dict[Group, Sums] = defaultdict(Sums)
    recent = Counter[Group]()
    async for row in ledger.columns(*COLUMNS, campaign=campaign):
        truth[Group.of(row)].add(_sums_of(row))
        recent[Group.of(row)] += row["updated_at"] >= since
    return truth, recent


def _sums_of(row: Mapping[str, Any]) -> Sums:
    return Sums(facts_of(row), row["created_at"], row["updated_at"], accepted_at(row))
