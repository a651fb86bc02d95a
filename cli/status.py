"""`postino status`: how far the messages have come, what failed and what mends it."""

import csv
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any

import click
import typer

from cli.connection import Operator, ask
from cli.counting import counted, rebuild
from cli.printing import WRONG, AsJson, fail, print_json, print_table
from cli.selection import Campaign, Service
from report.italian import duration, moment, number, share_of
from report.meanings import BUCKETS, OF_WHAT, REASONS, STATES, STEPS, TIMES
from report.meanings import QUEUES as QUEUE_MEANINGS
from report.summary import exactness, meaning, remedy, summary, waiting
from storage.counters import Counted
from storage.tally import STEPS as TAKEN

WATCH_SECONDS = 5
COLUMNS = ("campaign", "service", "fact", "number")

AsCsv = Annotated[
    bool, typer.Option("--csv", help="Scrive tutti i contatori in CSV, con il punto e virgola, per i fogli.")
]
Watch = Annotated[
    bool, typer.Option("--watch", help=f"Ridisegna ogni {WATCH_SECONDS} secondi, fino a Ctrl-C.")
]
Recount = Annotated[
    bool, typer.Option("--recount", help="Prima rifà i contatori leggendo tutto il registro.")
]


def status(
    campaign: Campaign = None,
    service: Service = None,
    watch: Watch = False,
    recount: Recount = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Dice a che punto sono i messaggi: quanti, con che tempi, che cosa è fallito e come si rimedia.

    Legge i contatori, non il registro: costa poche letture, quante che siano le richieste. I contatori sono
    indietro di qualche secondo. Un host ucciso di colpo può perdere gli ultimi passi: lo si vede, e
    `--recount` corregge; con centinaia di migliaia di richieste ci vuole qualche minuto. Le code e il ritardo
    sono di tutte le campagne.

    Per esempio: postino status --campaign 'TARI 2026' --watch
    """
    if watch + as_json + as_csv > 1:
        fail(WRONG, "Una sola tra --watch, --json e --csv.")

    async def answer(stores: Operator) -> tuple[list[Counted], dict[str, Any]]:
        groups = await counted(stores, campaign, service)
        document = await summary(stores, groups, campaign, service)
        chosen = {"campaign": campaign, "service": service}
        only = {column: value for column, value in chosen.items() if value}
        return groups, {**document, **await waiting(stores, **only)}

    if recount:
        ask(lambda stores: rebuild(stores, campaign))
    if watch:
        _watch(lambda: ask(answer)[1])
        return
    groups, document = ask(answer)
    if as_json:
        print_json(document)
    elif as_csv:
        _print_csv(groups)
    else:
        _print_for_people(document)


def _watch(read: Callable[[], dict[str, Any]]) -> None:
    """Draw again and again, until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        while True:
            document = read()
            click.clear()
            _print_for_people(document)
            time.sleep(WATCH_SECONDS)


def _print_csv(groups: Sequence[Counted]) -> None:
    writer = csv.writer(sys.stdout, delimiter=";", lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in groups:
        told = sorted(
            (fact, number) for fact, number in one.sums.numbers.items() if fact != TAKEN and number > 0
        )
        writer.writerows((*one.group, *line) for line in told)


def _print_for_people(document: dict[str, Any]) -> None:
    named = (("della campagna", document["campaign"]), ("del servizio", document["service"]))
    chosen = "".join(f" {of} {name}" for of, name in named if name)
    if not document["total"]:
        typer.echo(f"Nessuna richiesta{chosen}{': controlla il nome' if chosen else ''}.")
    else:
        _print_requests(document, chosen)
    typer.echo()
    print_waiting(document)
    typer.echo()
    for line in exactness(document["counters"]):
        typer.echo(line)


def _print_requests(document: dict[str, Any], chosen: str) -> None:
    typer.echo(f"Richieste{chosen}: {number(document['total'])}")
    if document["first_at"]:
        typer.echo(f"Dal {moment(document['first_at'])}, ultima novità il {moment(document['last_at'])}")
    if document["accepted_at"]:
        typer.echo(f"Ultima accettata da IO il {moment(document['accepted_at'])}")
    _print_funnel(document)
    _print_times(document["times"])
    _print_states(document["states"])
    _print_failures(document["failures"])
    _print_premium(document["premium"])


def _print_funnel(document: dict[str, Any]) -> None:
    typer.echo()
    rows = [
        (STEPS[step["step"]], step["number"], share_of(step["percent"]), OF_WHAT.get(step["step"]))
        for step in document["funnel"]
    ]
    print_table(("passo", "numero", "quota", "su"), rows)
    read, payment = document["read_status"], document["payment_status"]
    premium = {
        "lette": read["READ"],
        "non lette": read["UNREAD"],
        "lettura non disponibile": read["UNAVAILABLE"],
        "pagate": payment["PAID"],
        "non risultano pagate": payment["NOT_PAID"],
    }
    told = ", ".join(f"{word} {number(count)}" for word, count in premium.items() if count)
    typer.echo(f"\nConsegnate: {number(document['delivered'])}.{told and f' Premium: {told}.'}")
    if document["reminded"]:
        typer.echo(
            f"Sollecitate: {number(document['reminded'])}. "
            f"Richieste che sono solleciti: {number(document['reminders'])}."
        )


def _print_times(times: dict[str, Any]) -> None:
    there = {name: one for name, one in times.items() if one["number"]}
    if there:
        typer.echo("\nDa quando IO accetta il messaggio:")
    for name, one in there.items():
        mean = duration(timedelta(seconds=one["mean_seconds"]))
        typer.echo(f"  {TIMES[name]}: metà {BUCKETS[one['median']]}, in media {mean}")


def _print_states(states: dict[str, int]) -> None:
    there = [(state, number, STATES[state]) for state, number in states.items() if number]
    if there:
        typer.echo()
        print_table(("stato", "numero", "significato"), there)


def _print_failures(failures: list[dict[str, Any]]) -> None:
    if failures:
        typer.echo()
        print_table(
            ("non riuscite", "numero", "significato", "come si rimedia"),
            ((one["reason"] or one["state"], one["number"], meaning(one), remedy(one)) for one in failures),
        )


def _print_premium(premium: dict[str, Any]) -> None:
    if premium["services"]:
        typer.echo()
        print_table(("servizio", f"messaggi Premium nel {premium['year']}"), premium["services"].items())


def print_waiting(document: dict[str, Any]) -> None:
    """Print the parked messages, the depths of the queues and the lag of polls."""
    reasons = [(reason, number, REASONS.get(reason)) for reason, number in document["parked"].items()]
    if reasons:
        print_table(("parcheggiate", "numero", "significato"), reasons)
        typer.echo()
    if there := [
        (queue, count, QUEUE_MEANINGS[queue]) for queue, count in document["queues"].items() if count
    ]:
        print_table(("coda", "messaggi", "significato"), there)
    else:
        typer.echo("Le code sono vuote.")
    if document["days_behind"]:
        typer.echo(f"\nRitardo nel seguire i messaggi: {duration(timedelta(days=document['days_behind']))}")
