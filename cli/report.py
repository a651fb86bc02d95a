"""`postino report`: the state of a campaign as a page to hand on."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.campaign_file.findings import reason_of
from cli.connection import Operator, ask, clock
from cli.counting import counted
from cli.printing import NOT_FOUND, WRONG, fail, print_note
from cli.selection import Campaign, Service
from report.page import page
from report.summary import summary
from report.suppression import suppressed


def report(
    html: Annotated[Path, typer.Option("--html", metavar="FILE", help="Dove scrivere la pagina.")],
    campaign: Campaign = None,
    service: Service = None,
) -> None:
    """Scrive una pagina HTML da dare ad altri: passi, tempi, motivi, messaggi Premium.

    La pagina sta in un file solo e non si collega a niente. I numeri sono arrotondati per difetto a multipli
    di 5 e i gruppi di meno di 5 persone non si vedono; quelli esatti sono di `postino status`.

    Per esempio: postino report --html tari.html --campaign 'TARI 2026'
    """

    async def read(stores: Operator) -> dict[str, Any]:
        groups = await counted(stores, campaign, service)
        if (campaign or service) and not groups:
            fail(NOT_FOUND, "Nessuna richiesta: controlla il nome. La pagina non è stata scritta.")
        return await summary(stores, groups, campaign, service, shown_as=suppressed)

    document = ask(read)
    try:
        html.write_text(page(document, clock()), encoding="utf-8")
    except OSError as error:
        fail(WRONG, f"{html} non si può scrivere: {reason_of(error)}.")
    print_note(f"Scritta la pagina {html}.")
