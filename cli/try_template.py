"""`postino try`: one message with invented data, to one test recipient."""

from pathlib import Path
from typing import Annotated, Final

import typer

from cli.campaign_file import report
from cli.campaign_file.campaign import CampaignFile
from cli.campaign_file.row_request import RowRequests
from cli.campaign_file.sample import sample_columns, sample_row
from cli.campaign_file.template import Template
from cli.campaign_file.trial_requests import Trial, sample_trials, trials_of_file
from cli.completion import services
from cli.connection import ask, clock, configured
from cli.printing import ATTENTION, WRONG, AsJson, fail, print_json
from cli.trials import Sample, WaitMinutes, print_fates, print_invented, run_trials, terminal
from contract.fiscal_code import normalized
from report.italian import ROME
from settings import Settings
from storage.campaign_secrets import CampaignSecret

CAMPAIGN: Final = "modelli"


def try_template(
    template: Annotated[Path, typer.Option(help="Il modello del messaggio, per esempio tari.md.")],
    service: Annotated[
        str, typer.Option(metavar="NOME", autocompletion=services, help="Il servizio IO che invia.")
    ] = "default",
    to: Annotated[int, typer.Option(min=1, help="Quale destinatario di TEST_RECIPIENTS, contando da 1.")] = 1,
    sample: Sample = None,
    wait: WaitMinutes = 15,
    as_json: AsJson = False,
) -> None:
    """Invia un messaggio di prova, con dati inventati, a un destinatario di prova, e aspetta che arrivi.

    Il destinatario è uno di TEST_RECIPIENTS; se l'elenco non c'è, il codice fiscale lo chiede il
    comando. Serve l'app in esecuzione. Lo stesso testo non parte due volte; un testo cambiato riparte.

    Per esempio: postino try --template tari.md --service tributi
    """
    settings = configured()
    code = _recipient(settings, to)
    secret = ask(lambda stores: stores.campaign_secrets.of(CAMPAIGN))
    with report.refusals(as_json=as_json):
        trial = _trial(template, service, settings, secret, (to, code), sample)
    if not as_json:
        report.print_messages([trial.request])
    fates = run_trials([trial], wait, silent=as_json)
    if as_json:
        print_json(fates[0].document())
    else:
        print_fates(fates, wait)
    if not fates[0].is_delivered:
        raise typer.Exit(ATTENTION)


def _recipient(settings: Settings, to: int) -> str:
    codes = [code.get_secret_value() for code in settings.test_recipients]
    if to <= len(codes):
        return codes[to - 1]
    if codes:
        fail(WRONG, f"TEST_RECIPIENTS ha {len(codes)} destinatari di prova: --to va da 1 a {len(codes)}.")
    if terminal() is None:
        fail(WRONG, "TEST_RECIPIENTS non ha destinatari di prova, e qui nessuno può scriverne uno.")
    question = "Codice fiscale del destinatario di prova (non si vede)"
    code = normalized(typer.prompt(question, hide_input=True, err=True))
    if code is None:
        fail(WRONG, "Non è il codice fiscale di una persona: 16 lettere e cifre.")
    return code


def _trial(
    path: Path,
    service: str,
    settings: Settings,
    secret: CampaignSecret,
    recipient: tuple[int, str],
    sample: Path | None,
) -> Trial:
    template = Template.load(path)
    if sample:
        opened = CampaignFile.open(
            *(sample, None, template), service=service, services=settings.services, secret=secret
        )
        (trial,) = trials_of_file(opened, [recipient], 1)
        return trial
    row_requests = RowRequests(
        columns=sample_columns(template),
        template=template,
        service=service,
        services=settings.services,
        secret=secret,
    )
    row = sample_row(row_requests.columns, template, today=clock().astimezone(ROME).date())
    print_invented(row_requests, row)
    (trial,) = sample_trials(row_requests, row, [recipient])
    return trial
