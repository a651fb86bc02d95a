"""`postino doctor`: shows what is stopped, why, and how to correct it."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import typer

from cli.connection import Operator, ask, clock
from cli.health import fault_facts, health, print_faults, print_health
from cli.pauses import pause_facts, print_pauses
from cli.printing import ATTENTION, AsJson, print_json, print_table
from cli.reminders import print_stopped, stopped_campaigns
from cli.status import print_waiting
from io_api.account import FAILURES
from io_api.breakers import Breakers
from io_api.rate_budget import USED, Budget
from io_api.suspensions import Circuit, Key, Suspensions
from report.italian import duration, number, shown
from report.meanings import ADVICE, KEYS, OPERATIONS, REASONS, named
from report.summary import waiting
from settings import RateLimit
from storage.documents import NoDocument
from storage.queues import POISON_QUEUES
from storage.readiness import REFUSED
from storage.table import Unanswered

CIRCUIT_COLUMNS: Final = {
    "service": "servizio",
    "key": "chiave",
    "operation": "chiamate",
    "reason": "motivo",
    "http_status": "risposta di IO",
    "at": "rifiutata dal",
    "probe_at": "prossima prova dal",
}
BREAKER_COLUMNS: Final = {
    "operation": "chiamate",
    "failures": "fallite di seguito",
    "opened_at": "ferme dal",
    "probe_at": "prossima prova dal",
}
TOPICS: Final = {
    "storage": "le tabelle e le chiavi di cifratura",
    "pauses": "le pause",
    "circuits": "le chiavi",
    "breakers": "le risposte di IO",
    "budget": "il ritmo verso IO",
    "documents": "il contenitore dei documenti",
    "queues": "le code dei messaggi falliti (poison)",
    "parked": "i messaggi parcheggiati",
    "health": "ciò che è in dubbio, in ritardo o senza servizio",
}
# Without calls, a rate stays where an old cut left it, so only a recent cut counts.
RECENT = timedelta(hours=1)
SLOW: Final = 0.75
NO_BLOB: Final = "-doctor"


def doctor(as_json: AsJson = False) -> None:
    """Dice che cosa è fermo, perché, e che cosa fare.

    Guarda le tabelle e le chiavi di cifratura, senza le quali non si decide nulla; poi le impostazioni, le
    pause, le chiavi e i permessi che IO rifiuta, il ritmo verso IO, i documenti, i messaggi parcheggiati, le
    code, ciò che è in dubbio, in ritardo, fermo presso IO o di un servizio che non c'è più.
    Esce con 0 se va tutto bene, con 1 se qualcosa richiede attenzione.

    Per esempio: postino doctor
    """
    suspensions, document = ask(_examine)
    if as_json:
        print_json(document)
    else:
        _print_for_people(suspensions, document)
    if document["attention"]:
        raise typer.Exit(ATTENTION)


async def _examine(stores: Operator) -> tuple[Suspensions, dict[str, Any]]:
    faults = await stores.readiness.faults()  # raises Unanswered when no table answers
    if faults:  # the rest cannot be read, or not be trusted
        return Suspensions(), {"attention": ["storage"], "storage": fault_facts(faults)}
    suspensions = await stores.suspensions.current()
    document: dict[str, Any] = {
        "storage": [],
        "pauses": pause_facts(suspensions),
        "circuits": [fact for keys in stores.keys.values() for fact in _circuits(suspensions, keys)],
        "breakers": await _breakers(stores.breakers),
        "budget": _budget(await stores.rate_limiter.budget(), stores.limit, clock()),
        "documents": await _documents(stores),
        "campaigns": await stopped_campaigns(stores),
        **await waiting(stores),
        "health": await health(stores),
    }
    return suspensions, {"attention": _attention(document), **document}


def _circuits(suspensions: Suspensions, keys: tuple[Key, ...]) -> list[dict[str, Any]]:
    return [_circuit(suspensions, keys, circuit) for circuit in suspensions.circuits_of(keys)]


def _circuit(suspensions: Suspensions, keys: tuple[Key, ...], circuit: Circuit) -> dict[str, Any]:
    facts = {name: getattr(circuit, name) for name in CIRCUIT_COLUMNS}
    return {**facts, "other_key_works": suspensions.all_open(keys, circuit.operation) is None}


async def _breakers(breakers: Breakers) -> list[dict[str, Any]]:
    """Return the kinds of call that a circuit breaker holds back because IO fails."""
    known = {operation: await breakers.current(operation) for operation in FAILURES}
    return [
        {"operation": operation, **breaker.model_dump(include={"failures", "opened_at", "probe_at"})}
        for operation, breaker in known.items()
        if breaker.opened_at
    ]


async def _documents(stores: Operator) -> list[dict[str, Any]]:
    """Return why documents cannot be read, if remote contents are switched on."""
    if not stores.configured.remote_content_keys:
        return []
    try:
        await stores.documents().open(NO_BLOB)
    except Unanswered as error:
        return [{"http_status": error.status}]
    except NoDocument:
        return []
    return []


def _budget(budget: Budget, limit: RateLimit, now: datetime) -> dict[str, Any]:
    cut_at = datetime.fromtimestamp(budget.cut_at, UTC) if budget.cut_at else None
    highest = USED * limit.rate
    return {
        "limit": f"{limit.calls}/{limit.seconds:g}",
        "rate": round(budget.rate, 2),
        "highest_rate": round(highest, 2),
        "cut_at": cut_at,
        "ahead_seconds": round(max(0.0, budget.next_free - now.timestamp()), 1),
        "slow": cut_at is not None and now - cut_at < RECENT and budget.rate < SLOW * highest,
    }


def _attention(document: dict[str, Any]) -> list[str]:
    """Return the topics that need an operator."""
    poisoned = [queue for queue in POISON_QUEUES if document["queues"][queue]]
    wanting = {**document, "budget": document["budget"]["slow"], "queues": poisoned}
    return [topic for topic in TOPICS if wanting[topic]]


def _print_for_people(suspensions: Suspensions, document: dict[str, Any]) -> None:
    if document["storage"]:
        print_faults(document["storage"])
        return
    print_pauses(suspensions)
    typer.echo()
    _print_circuits(document["circuits"])
    _print_breakers(document["breakers"])
    typer.echo()
    _print_budget(document["budget"])
    _print_documents(document["documents"])
    typer.echo()
    print_stopped(document["campaigns"])
    typer.echo()
    print_waiting(document)
    print_health(document["health"])
    if document["attention"]:
        typer.echo(f"\nDa guardare: {', '.join(TOPICS[topic] for topic in document['attention'])}.")
    else:
        typer.echo("\nVa tutto bene.")


def _print_circuits(circuits: list[dict[str, Any]]) -> None:
    if not circuits:
        typer.echo("IO non rifiuta nessuna chiave.")
        return
    rows = map(_row, circuits)
    print_table(CIRCUIT_COLUMNS.values(), ([row[name] for name in CIRCUIT_COLUMNS] for row in rows))
    for line in dict.fromkeys(map(_advice, circuits)):
        typer.echo(f"\n{line}")


def _row(circuit: dict[str, Any]) -> dict[str, Any]:
    answer = circuit["http_status"]
    words = {"key": KEYS[circuit["key"]], "reason": named(REASONS, circuit["reason"])}
    calls = {"operation": OPERATIONS[circuit["operation"]], "http_status": answer and f"HTTP {answer}"}
    return {**circuit, **words, **calls}


def _print_breakers(breakers: list[dict[str, Any]]) -> None:
    if not breakers:
        return
    typer.echo()
    rows = [{**breaker, "operation": OPERATIONS[breaker["operation"]]} for breaker in breakers]
    print_table(BREAKER_COLUMNS.values(), ([row[name] for name in BREAKER_COLUMNS] for row in rows))
    typer.echo(
        "\nIO non risponde a queste chiamate: i messaggi aspettano, e ripartono da soli quando "
        "IO torna. Se dura, guarda lo stato di IO o chiedi alla sua assistenza."
    )


def _print_documents(facts: list[dict[str, Any]]) -> None:
    for fact in facts:
        refused = fact["http_status"] in REFUSED
        what = "rifiuta l'accesso" if refused else "non risponde"
        advice = "controlla il ruolo sui blob" if refused else "controlla lo storage account e la rete"
        typer.echo(
            f"\nIl contenitore dei documenti {what}: {advice}. "
            "I messaggi con documenti aspettano, gli altri partono."
        )


def _advice(circuit: dict[str, Any]) -> str:
    meanwhile = (
        "Intanto si usa l'altra chiave."
        if circuit["other_key_works"]
        else "I messaggi aspettano, e ripartono da soli dopo una prova riuscita."
    )
    return f"Servizio {circuit['service']}: {ADVICE[circuit['reason']]} {meanwhile}"


def _print_budget(budget: dict[str, Any]) -> None:
    typer.echo(
        f"Ritmo verso IO: {number(budget['rate'])} chiamate al secondo, su {number(budget['highest_rate'])} "
        f"al massimo (IO_RATE_LIMIT {budget['limit']})."
    )
    if ahead := round(budget["ahead_seconds"]):
        typer.echo(f"È già assegnato per {duration(timedelta(seconds=ahead))}.")
    if budget["cut_at"]:
        typer.echo(
            f"Abbassato l'ultima volta il {shown(budget['cut_at'])}. Si abbassa quando IO risponde 429: un "
            "altro programma chiama IO con lo stesso account, o il limite dell'account è più basso di "
            "IO_RATE_LIMIT. Risale da solo."
        )
