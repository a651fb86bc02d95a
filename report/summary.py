"""The numbers of `postino status`, `postino report` and the status page, from the counters and queues."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from report import italian
from report.meanings import ADVICE_ON_FAILURES, COMMANDS_ON_FAILURES, REASONS, STATES
from storage.counters import FLUSH_SECONDS, Counted
from storage.facts import (
    BUCKETS,
    FAILURES,
    ITALY,
    LONGER,
    PAYMENT_DELIVERED,
    PREMIUM_DELIVERED,
    REACHABLE,
    REMINDERS,
    REQUESTS,
    SECONDS,
    TO_PAY,
    TO_READ,
    premium_in,
)
from storage.ledger import DELIVERED, State
from storage.queues import QUEUES
from storage.stores import Stores
from storage.tally import UNCERTAIN, Sums

READ_STATUSES = ("READ", "UNREAD", "UNAVAILABLE")
PAYMENT_STATUSES = ("PAID", "NOT_PAID")


async def summary(
    stores: Stores,
    groups: Sequence[Counted],
    campaign: str | None,
    service: str | None,
    *,
    shown_as: Callable[[Counter[str]], Counter[str]] = Counter,
) -> dict[str, Any]:
    """Return the numbers of these groups, together. `shown_as`: what is done to the numbers first."""
    sums = Sums.total(group.sums for group in groups)
    lost = await stores.counters.lost()
    return {
        "campaign": campaign,
        "service": service,
        "first_at": sums.first_at,
        "last_at": sums.last_at,
        "accepted_at": sums.accepted_at,
        **numbers_of(shown_as(sums.numbers), campaign, service),
        "premium": premium(groups, stores.clock(), shown_as),
        "counters": {
            "rebuilt_at": _rebuilt_at(groups, await stores.counters.recounted_at()),
            "uncertain": max(0, sums.numbers[UNCERTAIN]),
            "lost_hosts": [{"name": host.name, "seen_at": host.seen_at} for host in lost],
        },
    }


async def waiting(stores: Stores, **only: str) -> dict[str, Any]:
    """Return the waiting work: parked messages with these columns, queue depths, lag of polls in days.

    Raises Unanswered.
    """
    return {
        "parked": Counter([message.reason async for message in stores.parked.headers(**only)]),
        "queues": {queue: await stores.queues.depth(queue) for queue in QUEUES},
        "days_behind": round(await stores.due_index.lag() / timedelta(days=1), 2),
    }


def numbers_of(
    numbers: Counter[str], campaign: str | None = None, service: str | None = None
) -> dict[str, Any]:
    """Return what the counters say. A number that drifted below zero is zero."""
    there = Counter({fact: number for fact, number in numbers.items() if number > 0})
    return {
        "total": there[REQUESTS],
        "reminders": there[REMINDERS],
        "reminded": there["reached/REMINDED"],
        "states": {state: there[f"state/{state}"] for state in State},
        "delivered": sum(there[f"state/{state}"] for state in DELIVERED),
        "read_status": {word: there[f"read_status/{word}"] for word in READ_STATUSES},
        "payment_status": {word: there[f"payment_status/{word}"] for word in PAYMENT_STATUSES},
        "funnel": _funnel(there),
        "failures": _failures(there, campaign, service),
        "times": {name: _times(there, name) for name in (TO_READ, TO_PAY)},
    }


def _funnel(numbers: Counter[str]) -> list[dict[str, Any]]:
    """Return the steps of the funnel. `of`: how many requests could have come so far."""
    requests, accepted = numbers[REQUESTS], numbers["reached/ACCEPTED"]
    steps = (
        ("requested", requests, requests),
        ("reachable", numbers[REACHABLE], requests),
        ("accepted", accepted, requests),
        ("delivered", numbers["reached/PROCESSED"], accepted),
        ("read", numbers["reached/READ"], numbers[PREMIUM_DELIVERED]),
        ("paid", numbers["reached/PAID"], numbers[PAYMENT_DELIVERED]),
    )
    return [
        {"step": step, "number": number, "of": of, "percent": percent(number, of)}
        for step, number, of in steps
    ]


def percent(number: int, of: int) -> float | None:
    """Return a percentage with one decimal; None where there is nothing to compare with."""
    return round(100 * number / of, 1) if of else None


def _failures(numbers: Counter[str], campaign: str | None, service: str | None) -> list[dict[str, Any]]:
    """Return what has failed and is still so, by state and reason, with the command that mends it."""
    found = [(fact.split("/")[1:], number) for fact, number in numbers.items() if fact.startswith("now/")]
    return [
        {
            "state": state,
            "reason": reason or None,
            "number": number,
            "command": _command(state, reason, campaign, service),
            "advice": ADVICE_ON_FAILURES.get(reason) or ADVICE_ON_FAILURES[state],
        }
        for (state, reason), number in sorted(found, key=_gravity)
    ]


def _gravity(failure: tuple[list[str], int]) -> tuple[int, int, str]:
    (state, reason), number = failure
    return FAILURES.index(State(state)), -number, reason


def _command(state: str, reason: str, campaign: str | None, service: str | None) -> str | None:
    if state not in COMMANDS_ON_FAILURES:
        return None
    return COMMANDS_ON_FAILURES[state].format(reason=reason) + options_of(campaign, service)


def options_of(campaign: str | None, service: str | None) -> str:
    """Return the options by which a command takes the same requests."""
    chosen = (("--campaign", campaign), ("--service", service))
    return "".join(f" {name} {shlex.quote(value)}" for name, value in chosen if value)


def _times(numbers: Counter[str], name: str) -> dict[str, Any]:
    """Return the histogram of a time, its mean, and the bucket that holds the median."""
    buckets = {bucket: numbers[f"{name}/{bucket}"] for bucket in (*BUCKETS, LONGER)}
    number = sum(buckets.values())
    mean = round(numbers[f"{name}/{SECONDS}"] / number) if number else None
    return {"number": number, "mean_seconds": mean, "median": median(buckets), "buckets": buckets}


def median(buckets: dict[str, int]) -> str | None:
    """Return the bucket that holds the median; None if all are empty."""
    half, so_far = sum(buckets.values()) / 2, 0
    for bucket, number in buckets.items():
        so_far += number
        if number and so_far >= half:
            return bucket
    return None


def premium(
    groups: Sequence[Counted], now: datetime, shown_as: Callable[[Counter[str]], Counter[str]] = Counter
) -> dict[str, Any]:
    """Return the Premium messages that IO accepted this calendar year, by service."""
    year, services = now.astimezone(ITALY).year, Counter[str]()
    for group in groups:
        services[group.group.service] += group.sums.numbers[premium_in(year)]
    return {
        "year": year,
        "services": {name: number for name, number in shown_as(services).items() if number > 0},
    }


def _rebuilt_at(groups: Sequence[Counted], all_at: datetime | None) -> datetime | None:
    """Return since when all these groups are counted; None if one was never rebuilt."""
    known = [[at for at in (group.rebuilt_at, all_at) if at] for group in groups]
    if not all(known):
        return None
    return min((max(times) for times in known), default=all_at)


def meaning(failure: dict[str, Any]) -> str:
    """Return what a failure means: by its reason if that is known, by its state otherwise."""
    return REASONS.get(failure["reason"]) or STATES[failure["state"]]


def remedy(failure: dict[str, Any]) -> str:
    """Return the command that mends a failure, or what to do."""
    return str(failure["command"] or failure["advice"])


def exactness(counters: dict[str, Any]) -> Iterator[str]:
    """Yield what there is to say of how exact the counters are."""
    rebuilt = counters["rebuilt_at"]
    yield f"Contatori rifatti dal registro: {italian.moment(rebuilt) if rebuilt else 'mai'}"
    if counters["uncertain"]:
        yield (
            f"Passi contati forse due volte o mai: {italian.number(counters['uncertain'])}. "
            "`postino status --recount` corregge."
        )
    if lost := counters["lost_hosts"]:
        latest = italian.moment(max(host["seen_at"] for host in lost))
        yield (
            f"Processi finiti all'improvviso: {len(lost)}, l'ultimo dopo le {latest}. I loro ultimi "
            f"{FLUSH_SECONDS:.0f} secondi forse mancano. `postino status --recount` corregge."
        )
