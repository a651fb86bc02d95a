"""Goes on with the catch-up: puts in the index what has no row there."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from context import Context
from storage import ledger, notices, parked
from storage.catch_up import EVERY, MOST_ROWS
from storage.ledger import GIVEN_UP, Entry, State, entry_of, is_entry
from storage.notices import GUARD, NOTICE, told
from storage.parked import parked_of
from storage.retention import Retention, has_ended
from storage.table import Row

# What ended lately has its row in the index, which is being worked through.
LONG_AGO: Final = timedelta(days=1)
# The due rows may take four minutes after this, and the last of them a while longer. The platform ends an
# invocation, and with it every other of the process, after five minutes (host.json).
LONGEST: Final = timedelta(seconds=15)
# What ends later is put by a later pass, so that a pass mostly reads.
SOON: Final = 2 * EVERY
# The row of a notice costs a read of its request. A pass looks at notices whose hash begins with one digit.
DIGITS: Final = "0123456789abcdef"


async def catch_up(context: Context, now: datetime, most: int = MOST_ROWS) -> None:
    """Look at the next rows, at most so many and for LONGEST. Raises Unanswered.

    A crash repeats them: each is put where it was.
    """
    until = context.clock() + LONGEST
    place, left = await context.catch_up.place(str(context.retention.periods), now), most
    if place.is_over:
        return
    while left and not place.is_over:
        async for row in context.catch_up.rows(place):
            if not left or context.clock() >= until:
                place, left = place._replace(partition=row.partition, key=row.key), 0
                break
            await LOOKS[place.table](row, now, context)
            left -= 1
        else:
            place = context.catch_up.after(place)
    await context.catch_up.keep(place)


async def _request(row: Row, now: datetime, context: Context) -> None:
    retention = context.retention
    if not is_entry(row):
        if (end := retention.remains_end(row)) < now + SOON:
            await retention.index.put(row.key, end)
        return
    entry = entry_of(row)
    if retention.overdue(entry, now - LONG_AGO):
        await retention.index.put(row.key, now)
    elif _is_soon(entry, now, retention):
        await retention.begin(entry, now)
    if entry.state is State.ACCEPTED and not has_ended(entry) and entry.updated_at < now - LONG_AGO:
        # An operator's command may have died before it dispatched what it had recorded.
        await context.dispatcher.dispatch(entry, entry.sends_queue)


def _is_soon(entry: Entry, now: datetime, retention: Retention) -> bool:
    if retention.overdue(entry, now) or not (has_ended(entry) or entry.state in GIVEN_UP):
        return False
    return retention.next_end(entry, now) < now + SOON


async def _notice(row: Row, now: datetime, context: Context) -> None:
    """Remove a request that is gone from its notice. Find the settlements that no request carried."""
    if row.partition[0] != DIGITS[now.toordinal() // EVERY.days % len(DIGITS)]:
        return
    name = row.values.get("request_id") if row.key == GUARD else row.key
    entry = await context.ledger.get(name) if name else None
    if name and entry is None:
        await context.notices.forget(row.partition, [name], keep_settlement=True)
    if told_at := told(row):
        await context.retention.begin_settlement(f"{NOTICE}:{row.partition}", told_at)


async def _parked(row: Row, now: datetime, context: Context) -> None:
    await context.retention.begin_parked(parked_of(row))


LOOKS: Final[Mapping[str, Callable[[Row, datetime, Context], Awaitable[None]]]] = {
    ledger.TABLE: _request,
    notices.TABLE: _notice,
    parked.TABLE: _parked,
}
