"""`postino reach`: who of a spreadsheet can be contacted, without sending anything."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from cli.campaign_file import report
from cli.campaign_file.findings import Findings, Unusable, reason_of
from cli.completion import services
from cli.connection import Operator, ask, clock, configured
from cli.printing import (
    ATTENTION,
    INTERRUPTED,
    WRONG,
    AsJson,
    fail,
    keep_inputs,
    print_json,
    print_note,
    print_table,
)
from cli.progress import bar
from cli.reach_file.answers import Answer, AnswerFile, Source, Verdict
from cli.reach_file.inquiry import Find, Inquiry, Register, Stopped, answer_all
from cli.reach_file.recipients import Recipients
from report.italian import counted, duration, moment, number
from report.meanings import ADVICE, REASONS, named
from settings import Settings
from storage.cipher import Cipher
from storage.subscriptions import DAY, midnight
from storage.table import Unanswered

SUFFIX: Final = ".reach.csv"
_RESUME: Final = "Per riprendere da qui ripeti lo stesso comando."
_WORDS: Final = {
    Verdict.YES: "contattabili",
    Verdict.NO: "non contattabili",
    Verdict.WRONG: "con il codice fiscale errato",
    Verdict.UNKNOWN: "senza risposta",
}


def reach(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Il file delle righe, CSV o XLSX.")],
    service: Annotated[
        str, typer.Option(metavar="NOME", autocompletion=services, help="Il servizio IO che invierebbe.")
    ] = "default",
    sheet: Annotated[str | None, typer.Option(help="Il foglio dell'XLSX; se manca, il primo.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Dove scrivere le risposte; se manca, FILE.reach.csv.", dir_okay=False),
    ] = None,
    max_age: Annotated[
        int, typer.Option(min=1, max=365, metavar="GIORNI", help="Richiede le risposte più vecchie di così.")
    ] = 7,
    as_json: AsJson = False,
) -> None:
    """Dice riga per riga chi si può contattare con IO. Non invia niente.

    Risponde il registro degli iscritti, se il servizio ne ha uno recente; altrimenti si chiede a IO, dopo
    ogni altra chiamata. Le risposte vanno in un CSV senza codici fiscali. Si può interrompere e rilanciare:
    riprende da dove era.

    Per esempio: postino reach tari.xlsx --service tributi
    """
    wanted = configured()
    if service not in wanted.services:
        names = ", ".join(sorted(wanted.services))
        fail(WRONG, f"Nessun servizio si chiama {service}. Quelli configurati: {names}.")
    written = out or file.with_name(file.name + SUFFIX)
    keep_inputs("--out", written, file)
    with _refusals(as_json=as_json):
        recipients, imprint = _read(file, sheet, service, wanted, silent=as_json)
    answers = AnswerFile(written, imprint)
    _keep_others(answers)
    answers.load(clock() - timedelta(days=max_age))
    survey = Survey(recipients, answers, service, timedelta(days=max_age), silent=as_json)
    _run(survey)
    if as_json:
        print_json(_document(survey))
    else:
        _print_for_people(survey)


def _keep_others(answers: AnswerFile) -> None:
    """End the command if the file to write is there, and holds something else than answers."""
    try:
        is_foreign = answers.is_foreign()
    except OSError as error:
        fail(WRONG, f"{answers.path} non si può leggere: {reason_of(error)}.")
    if is_foreign:
        fail(WRONG, f"{answers.path} contiene altro: spostalo, o scegli un altro nome con --out.")


@contextmanager
def _refusals(*, as_json: bool) -> Iterator[None]:
    """End the command if the file cannot be used, or if its reading is interrupted."""
    try:
        yield
    except Unusable as error:
        findings = Findings()
        findings.add(error.findings)
        if as_json:
            print_json({"findings": [one.document() for one in findings]})
        else:
            report.print_findings(findings)
        fail(ATTENTION, "Nessuna domanda è stata fatta.")
    except KeyboardInterrupt:
        fail(INTERRUPTED, "Interrotto durante la lettura.")


def _read(
    file: Path, sheet: str | None, service: str, wanted: Settings, *, silent: bool
) -> tuple[Recipients, str]:
    """Return the recipients, and the imprint that tells this file and service from any other."""
    with bar("lettura", None, silent=silent) as advance:
        recipients = Recipients.of(file, sheet, on_row=advance)
    content = hashlib.sha256(f"{service}\0{sheet or ''}\0".encode() + file.read_bytes()).digest()
    # A short file could be guessed from a plain hash of it.
    return recipients, Cipher(wanted.encryption_keys).pseudonym(content)[:16]


@dataclass
class Survey:
    """One run of the command. `calls` is the number of answers that IO gave it."""

    recipients: Recipients
    answers: AnswerFile
    service: str
    max_age: timedelta
    silent: bool
    calls: int = 0

    @property
    def pending(self) -> dict[str, list[int]]:
        """The codes without an answer, with their rows."""
        found = self.recipients.rows_by_code.items()
        return {code: rows for code, rows in found if not self.answers.answers.keys() >= {*rows}}

    async def run(self, stores: Operator) -> None:
        """Answer every row, and put the file in order. Raises Stopped, Unanswered, OSError."""
        self.answers.begin()
        if wrong := [row for row in self.recipients.wrong if row not in self.answers.answers]:
            self.answers.add(wrong, Answer(Verdict.WRONG, "wrong_fiscal_code", Source.FILE, clock()))
        pending = self.pending
        if pending:
            await stores.audit.record("reach", self.service, rows=str(self.recipients.rows))
            async with self._source(stores, len(pending)) as find:
                await self._answer(pending, find)
        self.answers.finish()

    @asynccontextmanager
    async def _source(self, stores: Operator, pending: int) -> AsyncIterator[Find]:
        """Choose where the answers come from, and say what they cost."""
        feed = await stores.subscriptions.feed(self.service)
        at = midnight(feed.through + DAY) if feed.through else None
        if at and at >= clock() - self.max_age:
            self._say(
                f"Risponde il registro degli iscritti, aggiornato al {_day(at)}: nessuna chiamata a IO."
            )
            yield Register(stores.subscriptions, self.service, at).find
            return
        if at:
            self._say(f"Il registro degli iscritti è fermo al {_day(at)}: si chiede a IO.")
        rate = (await stores.rate_limiter.budget()).rate
        self._say(
            f"Da chiedere a IO: {counted(pending, 'chiamata', 'chiamate')}, "
            f"almeno {duration(timedelta(seconds=pending / rate))}."
        )
        async with aclosing(stores.io()) as io:
            inquiry = Inquiry(io, self.service, clock, on_wait=_say_waiting)
            try:
                yield inquiry.find
            finally:
                self.calls = inquiry.calls

    async def _answer(self, pending: dict[str, list[int]], find: Find) -> None:
        done = len(self.recipients.rows_by_code) - len(pending)
        with bar("risposte", done + len(pending), silent=self.silent, done=done) as advance:
            await answer_all(pending, find, self._taking(advance))

    def _taking(self, advance: Callable[[], None]) -> Callable[[Sequence[int], Answer], None]:
        def take(rows: Sequence[int], answer: Answer) -> None:
            self.answers.add(rows, answer)
            advance()

        return take

    def _say(self, line: str) -> None:
        if not self.silent:
            print_note(line)

    def how_far(self) -> str:
        """Return how far the answers have come, as a sentence."""
        done, rows = len(self.answers.answers), self.recipients.rows
        return f"risposte per {number(done)} righe su {number(rows)}, in {self.answers.path.name}."


def _run(survey: Survey) -> None:
    """Run the survey. Whatever ends it early ends the command, and says how far it came."""

    async def work(stores: Operator) -> None:
        try:
            await survey.run(stores)
        except Unanswered:
            print_note(f"Interrotto: {survey.how_far()} {_RESUME}")
            raise

    try:
        ask(work, is_long=True)
    except KeyboardInterrupt:
        fail(INTERRUPTED, f"Interrotto: {survey.how_far()}", _RESUME)
    except Stopped as stopped:
        _stop(survey, stopped.reason)
    except OSError as error:
        fail(WRONG, f"{survey.answers.path} non si può scrivere: {reason_of(error)}.")


def _stop(survey: Survey, reason: str) -> NoReturn:
    advice = ADVICE.get(reason)
    if reason == "paused":
        advice = "le chiamate di questo servizio riprendono con `postino resume`."
    fail(
        ATTENTION,
        f"IO non dà risposte: {named(REASONS, reason)}.",
        *([advice[0].upper() + advice[1:]] if advice else []),
        f"Interrotto: {survey.how_far()}",
        _RESUME,
    )


def _say_waiting(reason: str) -> None:
    print_note(f"IO non risponde, si aspetta fino a dieci minuti: {named(REASONS, reason)}.")


def _document(survey: Survey) -> dict[str, Any]:
    found = survey.answers.answers.values()
    verdicts = Counter(one.verdict for one in found)
    sources = Counter(one.source for one in found)
    return {
        "file": str(survey.answers.path),
        "service": survey.service,
        "rows": survey.recipients.rows,
        "contactable": verdicts[Verdict.YES],
        "not_contactable": verdicts[Verdict.NO],
        "wrong": verdicts[Verdict.WRONG],
        "unknown": verdicts[Verdict.UNKNOWN],
        "reasons": Counter(one.reason for one in found if one.reason),
        "from_register": sources[Source.REGISTER],
        "from_io": sources[Source.IO],
        "oldest": _oldest(survey),
        "calls": survey.calls,
    }


def _print_for_people(survey: Survey) -> None:
    found = survey.answers.answers.values()
    counts = Counter((one.verdict, one.reason) for one in found)
    rows = (
        (_WORDS[verdict], named(REASONS, reason or None), count, f"{number(100 * count / len(found))} %")
        for (verdict, reason), count in counts.most_common()
    )
    print_table(("", "perché", "righe", ""), rows)
    if oldest := _oldest(survey):
        print_note(f"La risposta più vecchia è del {moment(oldest)}.")
    if unknown := sum(one.verdict is Verdict.UNKNOWN for one in found):
        print_note(f"Per {counted(unknown, 'riga', 'righe')} IO non ha risposto: ripeti il comando.")
    print_note(
        f"Le risposte sono in {survey.answers.path}, per numero di riga e senza codici fiscali. "
        "Insieme al foglio sono dati personali: conservale come il foglio."
    )


def _oldest(survey: Survey) -> datetime | None:
    found = survey.answers.answers.values()
    return min((one.at for one in found if one.source is not Source.FILE), default=None)


def _day(end: datetime) -> str:
    return f"{end.astimezone(UTC) - DAY:%d/%m/%Y}"
