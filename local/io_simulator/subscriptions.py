"""GET /subscriptions-feed/{date} (io-functions-services, GetSubscriptionsFeed).

IO writes down four kinds of events of a day: profiles that begin and end, and citizens who allow or block a
service. A citizen who is at the end of the day as at its beginning is in none. Only scripted citizens are in
the feed: the default citizen stands for nobody in particular.
"""

import hashlib
import re
from datetime import UTC, date, datetime, time, timedelta

from local.io_simulator.answers import (
    DATE_PATTERN,
    Answer,
    RefusedError,
    day_not_available,
    invalid_date,
    success,
)
from local.io_simulator.backend import Call
from local.io_simulator.simulator import Simulator


def get_subscriptions(simulator: Simulator, call: Call) -> Answer:
    """Return a 200 with the day's hashes for the calling service. Raises RefusedError otherwise."""
    call.require_group("ApiSubscriptionsFeedRead")
    day = _day_in_path(call)
    call.require_source()
    begin = datetime.combine(day, time(), UTC)
    end = begin + timedelta(days=1)
    if simulator.clock.now() < end:
        raise RefusedError(day_not_available(day))
    subscribed, unsubscribed = _changes(simulator, call.service_id, begin, end)
    hashes = {"subscriptions": _hashes(subscribed), "unsubscriptions": _hashes(unsubscribed)}
    return success(200, {"dateUTC": day.isoformat(), **hashes})


def _day_in_path(call: Call) -> date:
    text = call.path["date"]
    try:
        if re.fullmatch(DATE_PATTERN, text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise RefusedError(invalid_date(text))


def _changes(
    simulator: Simulator, service_id: str, begin: datetime, end: datetime
) -> tuple[set[str], set[str]]:
    """Return who was subscribed and who was unsubscribed, by IO's own rules."""
    joined, left, allowed, blocked = (set[str]() for _ in range(4))
    citizens = simulator.citizens
    for fiscal_code in citizens.scripted:
        before, after = (citizens.standing(fiscal_code, service_id, at) for at in (begin, end))
        if before.has_profile != after.has_profile:
            (joined if after.has_profile else left).add(fiscal_code)
        if before.allows != after.allows:
            (allowed if after.allows else blocked).add(fiscal_code)
    subscribed = (joined - blocked) | (allowed - joined - left)
    return subscribed, (left - allowed) | (blocked - joined - left)


def _hashes(fiscal_codes: set[str]) -> list[str]:
    return sorted(hashlib.sha256(one.encode()).hexdigest() for one in fiscal_codes)
