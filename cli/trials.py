"""Puts trials on the queue, waits until IO has processed or refused each, and shows what came of them."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli.campaign_file.cells import Row
from cli.campaign_file.row_request import RowRequests
from cli.campaign_file.sample import invented
from cli.campaign_file.trial_requests import Trial
from cli.connection import Operator, ask
from cli.printing import ATTENTION, INTERRUPTED, fail, print_note, print_table
from report.italian import counted, duration, joined, shown
from report.meanings import ADVICE, REASONS, STATES, named
from storage.ledger import DELIVERED, WAITING, Entry, State
from storage.parked import ParkedMessage
from storage.queues import requests_queue
from storage.stores import Stores

Sample = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        dir_okay=False,
        help="Un file di prova con dati inventati, le cui righe vanno ai destinatari di prova.",
    ),
]
WaitMinutes = Annotated[
    int, typer.Option(min=1, max=240, metavar="MINUTI", help="Quanto aspettare l'esito delle prove.")
]
LOOK_EVERY: Final = timedelta(seconds=2)
UNDECIDED: Final = WAITING | {State.SENDING, State.ACCEPTED}
# IO has no such message, and never will: the same text may be tried again.
NOT_DELIVERED: Final = frozenset(
    {State.SKIPPED, State.REFUSED, State.EXPIRED, State.DEAD, State.REJECTED, State.FAILED}
)
NO_REAL_ONE: Final = "Nessun messaggio vero è stato inviato."
_REMEDIES: Final[Mapping[str, str]] = {
    "recipient_not_found": "il destinatario di prova deve avere l'app IO, e averla aperta almeno una volta",
    "sender_not_allowed": "il destinatario di prova deve riattivare questo servizio nell'app IO",
    "recipient_forbidden": "il servizio è limitato: può scrivere solo ai destinatari autorizzati nel back "
    "office di IO; completa la sua attivazione",
    "payment_amount_not_allowed": "alza l'importo massimo del servizio nel back office di IO",
    "premium_not_allowed": "il contratto o il servizio non è Premium: usa «tipo: standard»",
    "document_missing": "carica il documento di prova nel contenitore documents",
    "invalid": "l'app e questo comando devono avere le stesse impostazioni dei servizi",
}
_COLUMNS: Final = ("destinatario di prova", "esito", "accettata", "consegnata", "perché", "che cosa fare")


@dataclass(frozen=True)
class Fate:
    """What is known of one trial. `entry` is None until the app takes it, or if it was parked at once."""

    trial: Trial
    request_id: str
    entry: Entry | None = None
    parked: ParkedMessage | None = None

    @property
    def is_decided(self) -> bool:
        """Whether IO has processed or refused it, or nothing more will happen by itself."""
        if self.entry is None:
            return self.parked is not None
        return self.entry.state not in UNDECIDED

    @property
    def is_delivered(self) -> bool:
        """Whether it is in the inbox of the test recipient."""
        return self.entry is not None and self.entry.state in DELIVERED

    @property
    def reason(self) -> str | None:
        """Why the trial is where it is, in the words of the ledger or of the parked message."""
        if self.entry is None:
            return self.parked.reason if self.parked else None
        return self.entry.last_step.get("reason")

    def document(self) -> dict[str, Any]:
        """Return the trial for JSON, without personal data."""
        return {
            "recipient": self.trial.recipient,
            "request_id": self.request_id,
            "state": self.entry.state if self.entry else None,
            "reason": self.reason,
            "delivered": self.is_delivered,
        }


async def put_trials(trials: Sequence[Trial], stores: Stores) -> list[Fate]:
    """Put each trial on the queue of requests, unless the ledger has it already. Raises Unanswered."""
    return [await _put(trial, stores) for trial in trials]


async def await_fates(
    fates: Sequence[Fate],
    stores: Stores,
    *,
    until: datetime,
    on_look: Callable[[Sequence[Fate]], None] = lambda fates: None,
    pause: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(LOOK_EVERY.total_seconds()),
) -> list[Fate]:
    """Look until every trial is decided, or until that instant. Raises Unanswered."""
    while True:
        fates = [await _looked_at(fate, stores) for fate in fates]
        on_look(fates)
        if all(fate.is_decided for fate in fates) or stores.clock() >= until:
            return list(fates)
        await pause()


def run_trials(trials: Sequence[Trial], minutes: int, *, silent: bool) -> list[Fate]:
    """Send the trials through the running app, and wait for them with a line that tells how far they are."""

    async def work(stores: Operator) -> list[Fate]:
        await stores.audit.record("send_trials", trials[0].request.campaign or "", trials=str(len(trials)))
        fates = await put_trials(trials, stores)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), disable=silent, transient=True) as progress:
            task = progress.add_task(_how_far(fates), total=None)
            return await await_fates(
                fates,
                stores,
                until=stores.clock() + timedelta(minutes=minutes),
                on_look=lambda seen: progress.update(task, description=_how_far(seen)),
            )

    try:
        return ask(work, is_long=True)
    except KeyboardInterrupt:
        again = "Lo stesso comando riprende ad aspettare le stesse prove."
        fail(INTERRUPTED, "Interrotto: le prove già in coda partono lo stesso.", NO_REAL_ONE, again)


def print_invented(row_requests: RowRequests, row: Row) -> None:
    """Print the values that take the place of the citizens'."""
    values = joined(invented(row_requests, row)) or "nessuno"
    print_note(shown(f"Dati inventati, al posto di quelli dei cittadini: {values}."))


def print_fates(fates: Sequence[Fate], minutes: int) -> None:
    """Print what came of each trial, and what to do about those that did not arrive."""
    typer.echo("\nProve:\n")
    print_table(_COLUMNS, map(_line, fates))
    if late := sum(not fate.is_decided for fate in fates):
        told = counted(late, "prova non ha", "prove non hanno")
        typer.echo(
            f"\nIn {counted(minutes, 'minuto', 'minuti')} {told} ancora un esito. L'app dev'essere in "
            "esecuzione: `postino doctor` dice che cosa è fermo. Lo stesso comando riprende ad aspettare."
        )


def consent(fates: Sequence[Fate], question: str, *, yes: bool, read: Callable[[str], str] | None) -> None:
    """End the command unless the operator goes on after the trials.

    `yes` answers only if every trial was delivered. `read` asks the operator; None: there is no terminal.
    """
    if not any(fate.is_delivered for fate in fates):
        fail(ATTENTION, "Nessuna prova è stata consegnata.", NO_REAL_ONE)
    are_all_delivered = all(fate.is_delivered for fate in fates)
    if yes and are_all_delivered:
        return
    if read is None and are_all_delivered:
        fail(ATTENTION, "Qui nessuno può rispondere: per proseguire aggiungi --yes.", NO_REAL_ONE)
    if yes or read is None:
        fail(
            ATTENTION,
            "Non tutte le prove sono state consegnate: si prosegue solo a mano, senza --yes.",
            NO_REAL_ONE,
        )
    try:
        answer = read(f"{question} [s/N] ")
    except KeyboardInterrupt:
        fail(INTERRUPTED, "", NO_REAL_ONE)
    if answer.strip().casefold() not in ("s", "si", "sì"):
        fail(ATTENTION, NO_REAL_ONE)


def terminal() -> Callable[[str], str] | None:
    """Return what asks the operator; None if nobody is at a terminal."""
    return _read_line if sys.stdin.isatty() else None


def _read_line(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


async def _put(trial: Trial, stores: Stores) -> Fate:
    for time in count(1):
        request = trial.repeated(time)
        if await stores.ledger.tombstone(request.request_id):
            continue  # nobody can say whether it arrived, and the app would drop it
        fate = await _looked_at(Fate(trial, request.request_id), stores)
        if fate.parked or (fate.entry and fate.entry.state in NOT_DELIVERED):
            continue
        if fate.entry is None:
            await stores.queues.put(requests_queue(request.priority), request.to_json())
        return fate
    raise AssertionError("unreachable")


async def _looked_at(fate: Fate, stores: Stores) -> Fate:
    entry = await stores.ledger.get(fate.request_id)
    if entry is not None:
        return Fate(fate.trial, fate.request_id, entry)
    parked = [one for one in await stores.parked.find(fate.request_id) if one.request_id == fate.request_id]
    return Fate(fate.trial, fate.request_id, parked=parked[0] if parked else None)


def _how_far(fates: Sequence[Fate]) -> str:
    taken = sum(fate.entry is not None for fate in fates)
    accepted = sum(bool(fate.entry and fate.entry.accepted_at) for fate in fates)
    ended = sum(fate.is_decided for fate in fates)
    return f"prove: {len(fates)} in tutto, {taken} prese, {accepted} accettate da IO, {ended} concluse"


def _line(fate: Fate) -> tuple[object, ...]:
    entry, reason = fate.entry, fate.reason
    if entry is None:
        state: str | None = "parcheggiata (PARKED)" if fate.parked else "ancora in coda"
    else:
        state = named(STATES, entry.state)
    advice = None if fate.is_delivered else _advice(fate)
    return (
        *(fate.trial.recipient, state, _after(entry, State.ACCEPTED), _after(entry, State.PROCESSED)),
        *(named(REASONS, reason), advice),
    )


def _after(entry: Entry | None, state: State) -> str | None:
    at = next((line["at"] for line in entry.history if line["what"] == state), None) if entry else None
    return f"dopo {duration(datetime.fromisoformat(at) - entry.created_at)}" if entry and at else None


def _advice(fate: Fate) -> str:
    known = {**ADVICE, **_REMEDIES}.get(fate.reason or "")
    return known or f"`postino show {fate.request_id}`"
