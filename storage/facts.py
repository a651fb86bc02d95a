"""The facts that are counted of a request. They follow from its row in the ledger, and from nothing else."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from storage.ledger import DELIVERED, REMINDED, UNCONFIRMED, State

# The columns of the ledger from which the facts follow.
COLUMNS: Final = (
    *("state", "service", "campaign", "created_at", "updated_at", "history", "feature_level_type"),
    *("has_payment", "in_reply_to", "attempt", "read_status", "payment_status", "settled_at"),
)
REQUESTS, REMINDERS, REACHABLE = "requests", "reminders", "reachable"
PREMIUM_DELIVERED, PAYMENT_DELIVERED = "delivered/premium", "delivered/payment"
TO_READ, TO_PAY = "to_read", "to_pay"
SECONDS: Final = "seconds"

FAILURES: Final = (
    *(State.SKIPPED, State.EXPIRED, State.REFUSED, State.DEAD),
    *(State.IN_DOUBT, State.REJECTED, State.FAILED),
)
REACHED: Final = frozenset(
    {*FAILURES, State.ACCEPTED, State.PROCESSED, State.READ, State.PAID, REMINDED, UNCONFIRMED}
)
_DAY = timedelta(days=1)
# The buckets of a histogram by their upper ends; LONGER holds the rest.
BUCKETS: Final = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "1d": _DAY,
    "3d": 3 * _DAY,
    "7d": 7 * _DAY,
    "14d": 14 * _DAY,
    "30d": 30 * _DAY,
}
LONGER: Final = "longer"
ITALY: Final = ZoneInfo("Europe/Rome")


def facts_of(row: Mapping[str, Any]) -> Counter[str]:
    """Return the facts of a request by the columns of its row; none of a settlement before its request.

    `reached/X` and `reached/X/reason` stay true for ever, once each for a request. `state/X` and
    `now/X/reason` are true of the present state alone.
    """
    if row.get("state") is None:
        return Counter()
    lines = json.loads(row["history"])
    return Counter([*_present(row, lines), *_reached(row, lines)]) + _times(row, lines)


def accepted_at(row: Mapping[str, Any]) -> datetime | None:
    """Return when IO accepted the request, by the columns of its row; None if it has not."""
    return _first(json.loads(row["history"]), State.ACCEPTED) if row.get("state") else None


def _present(row: Mapping[str, Any], lines: list[dict[str, Any]]) -> Iterator[str]:
    state = State(row["state"])
    yield from (REQUESTS, f"state/{state}")
    if row.get("in_reply_to"):
        yield REMINDERS
    if row.get("attempt"):
        yield REACHABLE
    if state in FAILURES:
        reasons = [line.get("reason", "") for line in lines if line["what"] == state]
        yield f"now/{state}/{reasons[-1] if reasons else ''}"
    if state in DELIVERED:
        yield from (f"{name}/{row[name]}" for name in ("read_status", "payment_status") if row.get(name))


def _reached(row: Mapping[str, Any], lines: list[dict[str, Any]]) -> Iterator[str]:
    reached = [line for line in lines if line["what"] in REACHED]
    words = {line["what"] for line in reached}
    yield from (f"reached/{word}" for word in words)
    yield from {f"reached/{line['what']}/{line['reason']}" for line in reached if line.get("reason")}
    if row["feature_level_type"] != "ADVANCED":
        return
    if accepted := _first(lines, State.ACCEPTED):
        yield premium_in(accepted.astimezone(ITALY).year)
    if State.PROCESSED in words:
        yield PREMIUM_DELIVERED
        if row.get("has_payment"):
            yield PAYMENT_DELIVERED


def _times(row: Mapping[str, Any], lines: list[dict[str, Any]]) -> Counter[str]:
    """Return the times from IO's acceptance until the reading and the payment were seen."""
    accepted, times = _first(lines, State.ACCEPTED), Counter[str]()
    read, paid = _first(lines, State.READ), _first(lines, State.PAID)
    for name, end in ((TO_READ, read), (TO_PAY, paid and (row.get("settled_at") or paid))):
        if accepted and end:
            taken = max(end - accepted, timedelta(0))
            times += Counter(
                {f"{name}/{bucket_of(taken)}": 1, f"{name}/{SECONDS}": int(taken.total_seconds())}
            )
    return times


def bucket_of(taken: timedelta) -> str:
    """Return the bucket of a histogram that holds a time."""
    return next((name for name, end in BUCKETS.items() if taken <= end), LONGER)


def premium_in(year: int) -> str:
    """Return the fact that IO accepted a Premium message in this calendar year, in Italy."""
    return f"premium/{year}"


def _first(lines: list[dict[str, Any]], what: str) -> datetime | None:
    return next((datetime.fromisoformat(line["at"]) for line in lines if line["what"] == what), None)
