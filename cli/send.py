"""`postino send`: from a spreadsheet and a template to requests on the queue."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.campaign_file.cells import text_of, trimmed
from cli.campaign_file.columns import Columns
from cli.campaign_file.findings import Finding, Findings, Unusable
from cli.campaign_file.italian import WrongValue, amount
from cli.campaign_file.journal import Journal
from cli.campaign_file.linter import Checked, Linter
from cli.campaign_file.preview import page, text_previews
from cli.campaign_file.row_request import RowRequests, RowResult
from cli.campaign_file.sender import FileChanged, Sender, Sent
from cli.campaign_file.spreadsheet import rows_of
from cli.campaign_file.template import Template
from cli.connection import Operator, ask, clock, configured
from cli.printing import (
    ATTENTION,
    WRONG,
    AsJson,
    fail,
    print_json,
    print_note,
    print_table,
    shown,
)
from cli.printing import (
    checked as checked_as,
)
from cli.rules_it import FILE_RULES, WARNINGS, level_of
from contract.fields import Campaign as CampaignName
from storage.campaign_secrets import CampaignSecret

INTERRUPTED: Final = 130
_MOST_LINES: Final = 200
_LEVELS: Final = {"error": "errore", "warning": "avvertenza"}
_CAMPAIGN_RULE: Final = "sono da 1 a 128 caratteri tra A-Z a-z 0-9 . _ : - e spazi"


def _cents(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        cents, _ = amount(trimmed(text) or "")
    except WrongValue as error:
        raise typer.BadParameter(f"l'importo {FILE_RULES[error.code].sentence}") from None
    assert isinstance(cents, int)
    return cents


def _known_codes(codes: list[str] | None) -> list[str]:
    for code in codes or ():
        if code not in WARNINGS:
            raise typer.BadParameter(
                f"«{code}» non è un'avvertenza; le avvertenze sono {', '.join(WARNINGS)}"
            )
    return codes or []


@dataclass(frozen=True)
class CampaignFile:
    """The file of a campaign with what its rows become."""

    path: Path
    sheet: str | None
    requests: RowRequests

    @classmethod
    def open(cls, path: Path, sheet: str | None, template: Template, **others: Any) -> "CampaignFile":
        """Read the header, and check it against the template. Raises Unusable."""
        header = next(rows_of(path, sheet), None)
        if header is None:
            raise Unusable.because("file-vuoto")
        columns = Columns.of(header)
        columns.check_template(template.names, template.place)
        return cls(path, sheet, RowRequests(columns=columns, template=template, **others))

    def results(self) -> Iterator[RowResult]:
        """Read the file once more, and yield what each row becomes. Raises Unusable."""
        rows = rows_of(self.path, self.sheet)
        next(rows, None)
        return map(self.requests.of, rows)


def send(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Il file delle righe, CSV o XLSX.")],
    template: Annotated[Path, typer.Option(help="Il modello del messaggio, per esempio tari.md.")],
    campaign: Annotated[
        str,
        typer.Option(callback=checked_as(CampaignName, _CAMPAIGN_RULE), help="Il nome della campagna."),
    ],
    service: Annotated[str, typer.Option(help="Il servizio IO che invia.")] = "default",
    sheet: Annotated[str | None, typer.Option(help="Il foglio dell'XLSX; se manca, il primo.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Controlla e mostra, senza inviare.")] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            callback=_known_codes, metavar="CODICE", help="Accetta un'avvertenza, con il suo codice."
        ),
    ] = None,
    preview: Annotated[int, typer.Option(min=0, max=100, help="Quanti messaggi mostrare con --dry-run.")] = 3,
    html: Annotated[
        Path | None, typer.Option(help="Scrive i messaggi mostrati in questa pagina HTML.", dir_okay=False)
    ] = None,
    max_amount: Annotated[
        str | None, typer.Option(help="L'importo massimo ammesso, per esempio 500,00.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Invia un messaggio per ogni riga di un foglio, dopo aver controllato tutto.

    Se una riga ha un errore, o un'avvertenza non accettata con --accept, non parte niente. Lo stesso file due
    volte non invia niente due volte: si può interrompere e rilanciare.

    Per esempio: postino send tari.xlsx --template tari.md --campaign 'TARI 2026' --dry-run
    """
    most_cents = _cents(max_amount)
    accepted = accept or []
    services = configured().services
    try:
        secret = _secret(campaign, dry_run=dry_run)
        opened = CampaignFile.open(
            *(file, sheet, Template.load(template)),
            service=service,
            campaign=campaign,
            services=services,
            secret=secret,
        )
        linter = Linter(requests=opened.requests, now=clock(), most_cents=most_cents)
        with _bar("controllo", None, silent=as_json) as advance:
            checked = linter.check(
                opened.results(), previews=preview if dry_run or html else 0, on_row=advance
            )
    except Unusable as error:
        _refuse(error, as_json=as_json)
    if html:
        _write_page(html, checked, campaign, service)
    blocking = checked.findings.blocking(accepted)
    if not as_json:
        _print_checked(checked, accepted, opened)
        _print_previews(checked, dry_run=dry_run)
    if blocking or dry_run:
        _end(checked, accepted, None, as_json=as_json, blocking=blocking)
    _deliver(opened, checked, accepted, as_json=as_json)


def _secret(campaign: str, *, dry_run: bool) -> CampaignSecret:
    if dry_run:
        return CampaignSecret.temporary(campaign)
    return ask(lambda stores: stores.campaign_secrets.of(campaign))


def _deliver(opened: CampaignFile, checked: Checked, accepted: list[str], *, as_json: bool) -> None:
    requests = opened.requests
    content = requests.secret.digest(checked.fingerprints.tobytes())
    journal = Journal.beside(opened.path, requests.campaign, content)
    sent = Sent(total=len(checked.fingerprints))
    before = journal.done

    async def work(stores: Operator) -> None:
        await stores.audit.record("send", requests.campaign, rows=str(sent.total))
        with _bar("invio", sent.total, silent=as_json, done=before) as advance:
            sender = Sender(stores, requests, journal)
            await sender.send(opened.results(), checked, sent, on_progress=lambda now: advance(now.done))

    if before >= sent.total:
        print_note(
            f"Già tutto in coda, secondo {journal.path.name}. Per rimandare chi manca, cancella quel file."
        )
    try:
        ask(work, is_long=True)
    except KeyboardInterrupt:
        fail(INTERRUPTED, *_how_far(sent), "Per riprendere da qui ripeti lo stesso comando.")
    except FileChanged:
        fail(ATTENTION, "Il file o il modello è cambiato dopo il controllo.", *_how_far(sent), _AGAIN)
    except Unusable as error:
        fail(ATTENTION, *(one.sentence for one in error.findings), *_how_far(sent), _AGAIN)
    _end(checked, accepted, sent, as_json=as_json, blocking=sum(sent.conflicts.counts.values()))


_AGAIN: Final = (
    "Ripeti il comando: il file sarà controllato di nuovo, e chi ha già il messaggio non lo riceve più."
)


def _how_far(sent: Sent) -> list[str]:
    return [f"In coda {sent.done} richieste su {sent.total}."]


def _refuse(error: Unusable, *, as_json: bool) -> None:
    findings = Findings()
    findings.add(error.findings)
    if as_json:
        print_json(
            {"findings": [one.document() for one in findings], "counts": findings.counts, "sent": None}
        )
    else:
        _print_findings(findings, ())
    fail(ATTENTION, "Nessun messaggio è stato inviato.")


def _end(checked: Checked, accepted: list[str], sent: Sent | None, *, as_json: bool, blocking: int) -> None:
    if as_json:
        print_json(_document(checked, accepted, sent))
    elif sent is not None:
        _print_findings(sent.conflicts, ())
        print_note(
            f"Fatto: in coda {sent.done} richieste su {sent.total}; ora {sent.put}, "
            f"già prese prima {sent.known}, con un id già usato {sum(sent.conflicts.counts.values())}."
        )
    if blocking:
        note = [] if sent else ["Nessun messaggio è stato inviato."]
        fail(ATTENTION, *note)
    raise typer.Exit


def _document(checked: Checked, accepted: list[str], sent: Sent | None) -> dict[str, Any]:
    findings = [one.document() for one in checked.findings]
    counts = {"rows": checked.rows, "payments": checked.payments, "cents": checked.cents}
    done: dict[str, Any] | None = None
    if sent:
        done = {"total": sent.total, "done": sent.done, "put": sent.put, "known": sent.known}
        done["conflicts"] = [one.document() for one in sent.conflicts]
    return {
        **counts,
        "findings": findings,
        "counts": checked.findings.counts,
        "accepted": accepted,
        "sent": done,
    }


def _print_checked(checked: Checked, accepted: list[str], opened: CampaignFile) -> None:
    typer.echo(
        f"Righe: {checked.rows}. Avvisi di pagamento: {checked.payments}, "
        f"in tutto {text_of(Decimal(checked.cents) / 100)} €."
    )
    if unused := opened.requests.columns.unused(opened.requests.template.names):
        typer.echo(shown(f"Colonne che il modello non usa: {', '.join(unused)}."))
    _print_findings(checked.findings, accepted)


def _print_findings(findings: Findings, accepted: Iterable[str]) -> None:
    listed = [one for one in findings if one.code not in accepted]
    if listed:
        typer.echo()
        print_table(("riga", "dove", "gravità", "che cosa", "codice"), map(_line, listed[:_MOST_LINES]))
    if findings.counts:
        typer.echo()
        print_table(
            ("codice", "gravità", "numero", ""),
            (
                (code, _LEVELS[level_of(code)], count, "accettata" if code in accepted else "")
                for code, count in findings.counts.most_common()
            ),
        )


def _line(finding: Finding) -> tuple[object, ...]:
    more = f" (e in altre {finding.more} righe)" if finding.more else ""
    return finding.row, finding.place, _LEVELS[finding.level], f"{finding.sentence}{more}", finding.code


def _print_previews(checked: Checked, *, dry_run: bool) -> None:
    for text in text_previews(checked.previews) if dry_run else ():
        typer.echo()
        for line in text.splitlines():
            typer.echo(shown(line))


def _write_page(path: Path, checked: Checked, campaign: str, service: str) -> None:
    try:
        path.touch(mode=0o600)
        path.write_text(page(checked.previews, campaign, service), encoding="utf-8")
    except OSError as error:
        fail(WRONG, f"{path} non si può scrivere: {error.strerror}")
    print_note(f"Scritta {path}. Contiene dati personali: cancellala quando non serve più.")


@contextmanager
def _bar(name: str, total: int | None, *, silent: bool, done: int = 0) -> Iterator[Any]:
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=silent, transient=True) as progress:
        task = progress.add_task(name, total=total, completed=done)

        def advance(completed: int | None = None) -> None:
            if completed is None:
                progress.advance(task)
            else:
                progress.update(task, completed=completed)

        yield advance
