"""Takes the days of the subscriptions feed that are over into the register of subscribers, in order."""

import logging
from datetime import datetime, timedelta

from context import Context
from io_api.errors import DayNotReady, IoError, Refused
from storage.subscriptions import DAY, Feed

log = logging.getLogger(__name__)

# A tick begins no day later than this, and no more days: a day may last a permit's minute, IO's minute and
# its writes, and the platform ends the invocation after five minutes (host.json).
BUDGET = timedelta(minutes=2)
MOST_DAYS = 300
# An account without the right may get it some day: asked for after a day, then at twice the age of the first
# refusal, at last once in thirty days.
LONGEST_WAIT = timedelta(days=30)


async def follow_subscriptions(context: Context) -> None:
    """Run one tick. A service that fails does not stop the others; the failures are raised together."""
    until = context.clock() + BUDGET
    failures: list[Exception] = []
    for service in context.feed_services:
        try:
            await _follow(service, until, context)
        except Exception as error:  # noqa: BLE001 - raised at the end
            failures.append(error)
    if failures:
        raise ExceptionGroup("subscriptions feeds that could not be followed", failures)


async def _follow(service: str, until: datetime, context: Context) -> None:
    """Take the days that are over, the oldest first. The next tick goes on where this one ends."""
    taken = 0
    while taken < MOST_DAYS and context.clock() < until:
        feed = await context.subscriptions.feed(service)
        if not _is_due(feed, context.clock()) or not await _take(feed, context):
            break
        taken += 1
    if taken:
        log.info("subscriptions feed taken service=%s days=%d", service, taken)


def _is_due(feed: Feed, now: datetime) -> bool:
    return feed.ready_at <= now and (feed.ask_at is None or feed.ask_at <= now)


async def _take(feed: Feed, context: Context) -> bool:
    """Take one day, and return whether to go on. A crash repeats the day, which changes nothing."""
    day = feed.next_day
    try:
        changed = await context.io.get_subscriptions(day, service=feed.service)
    except Refused as error:
        await _refused(feed, error, context)
        return False
    except DayNotReady:  # by IO's clock the day is not over
        return False
    except IoError as error:  # the day stays due; `postino doctor` shows a feed that lags behind
        log.warning(
            "subscriptions feed unanswered service=%s day=%s reason=%s", feed.service, day, error.reason
        )
        return False
    return await context.subscriptions.take(feed, day, changed.subscriptions, changed.unsubscriptions)


async def _refused(feed: Feed, error: Refused, context: Context) -> None:
    """Note the refusal, and say so the first time."""
    now = context.clock()
    since = feed.refused_at or now
    wait = min(LONGEST_WAIT, max(DAY, now - since))
    if await context.subscriptions.refuse(feed, since, now + wait) and feed.refused_at is None:
        log.warning(
            "subscriptions feed not for this service service=%s reason=%s", feed.service, error.reason
        )
