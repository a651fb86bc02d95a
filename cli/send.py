"""`postino send`: from a spreadsheet and a template to requests on the queue."""

import shlex
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.campaign_file import report
from cli.campaign_file.campaign import CampaignFile
from cli.campaign_file.cells import trimmed
from cli.campaign_file.findings import Unusable, reason_of
from cli.campaign_file.italian import WrongValue, amount
from cli.campaign_file.journal import Journal, OtherCampaign
from cli.campaign_file.linter import Checked, Linter
from cli.campaign_file.preview import page
from cli.campaign_file.sender import FileChanged, Sender, Sent
from cli.campaign_file.spread import EXAMPLE
from cli.campaign_file.template import Template
from cli.canary import Canary, canary_trials
from cli.completion import services, warnings
from cli.connection import Operator, ask, clock, configured
from cli.keys import keys_missing
from cli.limited import refuse_if_limited
from cli.printing import (
    ATTENTION,
    INTERRUPTED,
    WRONG,
    AsJson,
    checked,
    fail,
    keep_inputs,
    print_json,
    print_note,
)
from cli.progress import bar
from cli.rules_it import FILE_RULES, WARNINGS
from cli.selection import grouped
from cli.spreads import keep_spread, spread_of
from cli.trials import Fate, consent, print_fates, run_trials, terminal
from contract.fields import Campaign as CampaignName
from report.italian import counted, number
from storage.campaign_secrets import CampaignSecret
from storage.table import Unanswered

_RESUME: Final = "Per riprendere da qui ripeti lo stesso comando."
_CHANGED: Final = "Il file è cambiato dopo il controllo."
_AGAIN: Final = "Ripeti il comando: il file sarà ricontrollato, e chi ha già il messaggio non lo riceve più."


def _cents(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        cents, _ = amount(trimmed(text))
    except WrongValue as error:
        raise typer.BadParameter(
            f"«{text}» {FILE_RULES[error.code].sentence}", param_hint="'--max-amount'"
        ) from None
    assert isinstance(cents, int)
    return cents


def _warnings(codes: list[str] | None) -> list[str]:
    for code in codes or ():
        if code not in WARNINGS:
            raise typer.BadParameter(
                f"«{code}» non è un'avvertenza; le avvertenze sono {', '.join(WARNINGS)}"
            )
    return codes or []


@grouped
def send(
    canary: Canary,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Il file delle righe, CSV o XLSX.")],
    template: Annotated[Path, typer.Option(help="Il modello del messaggio, per esempio tari.md.")],
    campaign: Annotated[
        str,
        typer.Option(
            callback=checked(CampaignName, "sono da 1 a 128 caratteri tra A-Z a-z 0-9 . _ : - e spazi"),
            help="Il nome della campagna.",
        ),
    ],
    service: Annotated[
        str, typer.Option(metavar="NOME", autocompletion=services, help="Il servizio IO che invia.")
    ] = "default",
    sheet: Annotated[str | None, typer.Option(help="Il foglio dell'XLSX; se manca, il primo.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Controlla e mostra, senza inviare.")] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            callback=_warnings,
            autocompletion=warnings,
            metavar="CODICE",
            help="Accetta un'avvertenza in tutte le righe, con il suo codice.",
        ),
    ] = None,
    preview: Annotated[int, typer.Option(min=0, max=100, help="Quanti messaggi mostrare con --dry-run.")] = 3,
    html: Annotated[
        Path | None, typer.Option(help="Scrive i messaggi mostrati in questa pagina HTML.", dir_okay=False)
    ] = None,
    max_amount: Annotated[
        str | None, typer.Option(help="L'importo massimo ammesso, per esempio 500,00.")
    ] = None,
    spread: Annotated[
        str | None,
        typer.Option(metavar="GIORNI", help=f"Distribuisce gli invii su giorni e ore: {EXAMPLE}."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Invia un messaggio per ogni riga di un foglio, dopo aver controllato tutto.

    Agisce subito, senza --execute: per provare c'è --dry-run. Se una riga ha un errore, o un'avvertenza non
    accettata con --accept, non parte niente. Lo stesso file due volte con lo stesso nome della campagna non
    invia niente due volte: si può interrompere e rilanciare. Con un altro nome, anche solo per una maiuscola,
    le stesse persone riceverebbero un secondo messaggio.

    Con --canary 2 partono prima due prove, con dati inventati, ai destinatari di prova: il comando aspetta il
    loro esito, lo mostra, e chiede se proseguire. Con --spread '5 giorni, 9-13' i messaggi partono un po' per
    volta, nei giorni lavorativi e nelle ore dette: così chi risponde al telefono regge le domande.

    Per esempio: postino send tari.xlsx --template tari.md --campaign 'TARI 2026' --dry-run
    """
    canary.check(report.NOTHING)
    keep_inputs("--html", html, file, template, canary.sample)
    accepted = accept or []
    most_cents = _cents(max_amount)
    services = configured().services
    secret = _secret(campaign, dry_run=dry_run)
    previews = preview if dry_run or html else 0
    with report.refusals(as_json=as_json):
        opened = CampaignFile.open(
            *(file, sheet, Template.load(template)),
            service=service,
            services=services,
            secret=secret,
            spread=spread_of(campaign, spread, report.NOTHING, dry_run=dry_run),
        ).balanced()
        found = _check(opened, most_cents, previews, silent=as_json)
    if html:
        _write_page(html, found, campaign, service)
    if not as_json:
        report.print_checked(found, accepted, with_previews=dry_run)
        report.print_spread(opened.requests.spread, found)
    is_blocked = bool(found.findings.blocking(accepted))
    if dry_run or is_blocked:
        _conclude(opened, found, accepted, None, [], as_json=as_json)
    else:
        journal = _journal(opened, found)
        fates = _before_the_first(opened, found, canary, accepted, as_json=as_json)
        keep_spread(campaign, opened.requests.spread, report.NOTHING)
        sent = _deliver(opened, found, journal, silent=as_json)
        _conclude(opened, found, accepted, sent, fates, as_json=as_json)
    if is_blocked:
        fail(ATTENTION, *([] if as_json else [report.remedy(found.findings, accepted)]), report.NOTHING)
    if dry_run and not as_json:
        ready = counted(len(found.fingerprints), "messaggio pronto", "messaggi pronti")
        print_note(f"Tutto a posto: {ready}. Per inviarli ripeti senza --dry-run.")


def _before_the_first(
    opened: CampaignFile, found: Checked, canary: Canary, accepted: list[str], *, as_json: bool
) -> list[Fate]:
    """Ask IO whether the service may write to the first citizen, then send the trials. Return their fates."""
    assert found.first
    refuse_if_limited(opened.requests.service, found.first.fiscal_code, report.NOTHING)
    if not canary.canary:
        return []
    with report.refusals(as_json=as_json):
        trials = canary_trials(opened, found, canary, configured().test_recipients)
    if not as_json:
        report.print_messages([trials[0].request])
    fates = run_trials(trials, canary.wait, silent=as_json)
    if not as_json:
        print_fates(fates, canary.wait)
    question = f"Invio i {number(len(found.fingerprints))} messaggi della campagna?"
    try:
        consent(fates, question, yes=canary.yes, read=None if as_json else terminal())
    except typer.Exit:
        _conclude(opened, found, accepted, None, fates, as_json=as_json)
        raise
    return fates


def _check(opened: CampaignFile, most_cents: int | None, previews: int, *, silent: bool) -> Checked:
    if not silent:
        report.print_unused(opened)
    linter = Linter(requests=opened.requests, now=clock(), most_cents=most_cents)
    with bar("controllo", None, silent=silent) as advance:
        return linter.check(opened.results(), previews=previews, on_row=advance)


def _conclude(
    opened: CampaignFile,
    found: Checked,
    accepted: list[str],
    sent: Sent | None,
    fates: list[Fate],
    *,
    as_json: bool,
) -> None:
    if as_json:
        document = report.document(found.findings, found, accepted, sent, opened.requests.spread)
        print_json(document | {"trials": [fate.document() for fate in fates]})
    elif sent:
        report.print_sent(sent)
        print_note(f"Per seguirli: postino status --campaign {shlex.quote(opened.requests.secret.campaign)}")
    if sent and sent.conflicts.counts:
        raise typer.Exit(ATTENTION)


def _secret(campaign: str, *, dry_run: bool) -> CampaignSecret:
    if dry_run:
        return CampaignSecret.temporary(campaign)

    async def find(stores: Operator) -> CampaignSecret:
        if missing := await stores.key_checks.missing():
            fail(WRONG, keys_missing(missing), report.NOTHING)
        return await stores.campaign_secrets.of(campaign)

    return ask(find)


def _deliver(opened: CampaignFile, found: Checked, journal: Journal, *, silent: bool) -> Sent:
    """Put the requests on the queue. Whatever ends this early ends the command, and says how far it came."""
    sent = Sent(total=len(found.fingerprints), done=journal.done)

    async def work(stores: Operator) -> None:
        await stores.audit.record("send", journal.campaign, rows=str(sent.total))
        with bar("invio", sent.total, silent=silent, done=sent.done) as advance:
            sender = Sender(stores, opened.requests, journal)
            await sender.send(opened.results(), found, sent, on_request=advance)

    async def work_or_tell(stores: Operator) -> None:
        try:
            await work(stores)
        except Unanswered:
            print_note(f"Interrotto: {report.how_far(sent)} {_RESUME}")
            raise

    try:
        ask(work_or_tell, is_long=True)
    except KeyboardInterrupt:
        fail(INTERRUPTED, f"Interrotto: {report.how_far(sent)}", _RESUME)
    except FileChanged:
        fail(ATTENTION, _CHANGED, f"Interrotto: {report.how_far(sent)}", _AGAIN)
    except Unusable as error:
        sentences = [finding.sentence for finding in error.findings]
        fail(ATTENTION, _CHANGED, *sentences, f"Interrotto: {report.how_far(sent)}", _AGAIN)
    return sent


def _journal(opened: CampaignFile, found: Checked) -> Journal:
    secret = opened.requests.secret
    try:
        journal = Journal.beside(opened.path, secret.campaign, secret.digest(found.fingerprints.tobytes()))
    except OtherCampaign as other:
        fail(
            WRONG,
            f"Da {opened.path.name} sono già in coda {number(other.done)} richieste della campagna "
            f"«{other.campaign}»: con un altro nome le stesse persone ricevono un secondo messaggio.",
            f"Se è la stessa campagna ripeti con quel nome. Se è un altro invio cancella {other.path.name} "
            "e ripeti.",
            report.NOTHING,
        )
    if journal.done:
        print_note(f"{journal.path.name}: in coda già {journal.done} richieste. Per ricominciare cancellalo.")
    try:
        journal.write(journal.done)
    except OSError as error:
        fail(WRONG, f"{journal.path} non si può scrivere: {reason_of(error)}.", report.NOTHING)
    return journal


def _write_page(path: Path, found: Checked, campaign: str, service: str) -> None:
    try:
        path.touch(mode=0o600)
        path.write_text(page(found.previews, campaign, service), encoding="utf-8")
    except OSError as error:
        fail(WRONG, f"{path} non si può scrivere: {reason_of(error)}")
    print_note(f"Scritta {path}. Contiene dati personali: cancellala quando non serve più.")
