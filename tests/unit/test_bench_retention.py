"""The promise of retention, in small: what is kept is level once as much goes as comes, and so is a tick."""

from statistics import mean

from benchmarks.retention.years import Office
from storage.periods import Periods


async def test_what_is_kept_is_level() -> None:
    """Some months after all periods, another two leave no more rows, and a tick costs no more."""
    periods = Periods(contents=70, parked=70, ledger=70, tombstones=30, audit=70)
    office = Office(1_200, periods, ticks_a_day=4)
    *_, before, _, after = [await office.month(number) for number in range(1, 9)]
    for name, rows in after.rows.items():
        assert rows <= before.rows[name] * 1.2, name
    assert mean(after.ticks) < mean(before.ticks) * 1.1
