"""The findings of `doctor`: too many, too old or without a service, with number, threshold and advice."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import typer

from cli.connection import Operator, clock
from cli.printing import print_table
from report.italian import duration, number
from report.meanings import named
from settings import Thresholds
from storage.ledger import Pending, State
from storage.queues import BULK_QUEUES, INPUT_QUEUES
from storage.readiness import Fault
from storage.subscriptions import Feed

COLUMNS: Final = {"what": "che cosa", "number": "quanto", "threshold": "soglia", "advice": "che cosa fare"}
ADVICE: Final = {
    "in_doubt": "decidi: postino in-doubt list",
    "stuck": "chiedi all'assistenza di IO, con il message_id: postino show",
    "unknown_services": "rimetti il servizio in IO_SERVICES, o le sue richieste aspettano per sempre",
    "behind": "chiedi a IO un limite più alto, o distribuisci le campagne su più giorni",
    "oldest": "se non è una grande campagna, guarda che cosa è fermo qui sopra e se l'app gira",
    "timers": "guarda se l'app gira e se le sue funzioni si caricano",
    "feed": "se è appena acceso recupera da solo, altrimenti guarda se IO risponde",
    "feed_refused": "chiedi a IO l'autorizzazione, o togli il servizio da SUBSCRIPTIONS_FEED",
}
FAULT_WORDS: Final = {
    "refused": "tabella che rifiuta l'accesso",
    "unanswered": "tabella che non risponde",
    "missing_key": "chiave che manca in ENCRYPTION_KEYS",
    "index_key": "chiave degli indici che nessuna chiave apre, nella tabella",
}
FAULT_ADVICE: Final = {
    "refused": "dai all'identità il ruolo Storage Table Data Contributor sullo storage account",
    "unanswered": "controlla lo storage account e la rete",
    "missing_key": "rimettila in fondo a ENCRYPTION_KEYS, qui e nell'app; se è persa: postino keys forget",
    "index_key": "ripristina la riga «index» di quella tabella da una copia",
}
WORDS: Final = {
    "in_doubt": "richieste in dubbio",
    "stuck": "accettate e non consegnate",
    "unknown_services": "di servizi non configurati",
    "behind": "ritardo:",
    "oldest": "attesa più lunga nella coda",
    "timers": "dall'ultimo giro:",
    "feed": "registro degli iscritti, ritardo:",
    "feed_refused": "registro degli iscritti rifiutato da IO:",
}
TIMERS: Final = {
    "check_status": "gli stati dei messaggi",
    "remind": "i solleciti",
    "expire": "la rimozione di ciò che scade",
}
UNITS: Final = {
    "behind": timedelta(days=1),
    "oldest": timedelta(minutes=1),
    "timers": timedelta(minutes=1),
    "feed": timedelta(days=1),
    "feed_refused": timedelta(days=1),
}


async def health(stores: Operator) -> list[dict[str, Any]]:
    """Return the findings that need an operator: `topic`, `of`, `number`, `threshold` and `advice`."""
    now = clock()
    pending = [one async for one in stores.ledger.pending()]
    indexes = {
        "check_status": stores.due_index,
        "remind": stores.reminder_index,
        "expire": stores.retention.index,
    }
    behind = {name: await index.lag() for name, index in indexes.items()}
    runs = {name: await index.last_lease_end() for name, index in indexes.items()}
    # Bulk requests may wait for hours: they give way.
    oldest = {queue: await stores.queues.oldest(queue) for queue in INPUT_QUEUES if queue not in BULK_QUEUES}
    limits = stores.thresholds
    feeds = [await stores.subscriptions.feed(service) for service in stores.configured.subscriptions_feed]
    return [
        *_pending(pending, set(stores.keys), limits, now),
        *_late(behind, timedelta(hours=limits.behind_hours)),
        *_aged("oldest", oldest, timedelta(minutes=limits.waiting_minutes), now),
        *_aged("timers", runs, timedelta(minutes=limits.timer_minutes), now),
        *_feeds(feeds, timedelta(hours=limits.behind_hours), now),
    ]


def fault_facts(faults: list[Fault]) -> list[dict[str, Any]]:
    """Return the faults that keep every process from work, with advice."""
    return [{"kind": one.kind, "of": one.of, "advice": FAULT_ADVICE[one.kind]} for one in faults]


def print_faults(facts: list[dict[str, Any]]) -> None:
    """Print the faults that keep every process from work."""
    rows = ((FAULT_WORDS[fact["kind"]], fact["of"], fact["advice"]) for fact in facts)
    print_table(("ferma tutto", "quale", "che cosa fare"), rows)


def print_health(facts: list[dict[str, Any]]) -> None:
    """Print the findings that need an operator, if any."""
    if facts:
        rows = map(_row, facts)
        typer.echo()
        print_table(COLUMNS.values(), ([row[name] for name in COLUMNS] for row in rows))


def _row(fact: dict[str, Any]) -> dict[str, Any]:
    topic = fact["topic"]
    amounts = {name: _shown(topic, name, fact[name]) for name in ("number", "threshold")}
    return {**fact, **amounts, "what": f"{WORDS[topic]} {named(TIMERS, fact['of'])}".strip()}


def _shown(topic: str, name: str, amount: float) -> str:
    """Return a number or threshold with its unit. Messages are counted; stuck ones have a limit of time."""
    unit = UNITS.get(topic) or (UNITS["oldest"] if (topic, name) == ("stuck", "threshold") else None)
    return duration(amount * unit) if unit else number(amount)


def _pending(
    pending: list[Pending], services: set[str], limits: Thresholds, now: datetime
) -> list[dict[str, Any]]:
    longest = timedelta(hours=limits.accepted_hours)
    in_doubt = sum(one.state is State.IN_DOUBT for one in pending)
    # Without IO's id a message is not followed: its state stays, and nobody at IO can find it.
    followed = [one for one in pending if one.state is State.ACCEPTED and one.message_id]
    stuck = sum(now - one.updated_at > longest for one in followed)
    unknown = Counter(one.service for one in pending if one.service not in services)
    return [
        *([_fact("in_doubt", "", in_doubt, limits.in_doubt)] if in_doubt > limits.in_doubt else []),
        *([_fact("stuck", "", stuck, _minutes(longest))] if stuck else []),
        *(_fact("unknown_services", service, number, 0) for service, number in unknown.items()),
    ]


def _late(behind: Mapping[str, timedelta], limit: timedelta) -> list[dict[str, Any]]:
    day = timedelta(days=1)
    return [_fact("behind", name, late / day, limit / day) for name, late in behind.items() if late > limit]


def _feeds(feeds: list[Feed], limit: timedelta, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield each subscriptions feed that IO refuses, or whose days that are over were not taken."""
    day = timedelta(days=1)
    for feed in feeds:
        if feed.refused_at:
            yield _fact("feed_refused", feed.service, (now - feed.refused_at) / day, 0)
        elif now - feed.ready_at > limit:
            yield _fact("feed", feed.service, (now - feed.ready_at) / day, limit / day)


def _aged(
    topic: str, times: Mapping[str, datetime | None], limit: timedelta, now: datetime
) -> list[dict[str, Any]]:
    ages = {name: now - at for name, at in times.items() if at}
    return [_fact(topic, name, _minutes(age), _minutes(limit)) for name, age in ages.items() if age > limit]


def _fact(topic: str, of: str, number: float, threshold: float) -> dict[str, Any]:
    return {
        "topic": topic,
        "of": of,
        "number": round(number, 1),
        "threshold": threshold,
        "advice": ADVICE[topic],
    }


def _minutes(duration: timedelta) -> float:
    return duration / timedelta(minutes=1)
