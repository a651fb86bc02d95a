"""`postino reminders`: stops and resumes the reminders of a campaign."""

from typing import Annotated, Any

import typer

from cli.app import App
from cli.connection import Operator, ask
from cli.printing import AsJson, checked, print_json, print_note, print_table
from contract.fields import Campaign as CampaignName

app = App(help="I solleciti di una campagna: fermarli, riprenderli.")

Campaign = Annotated[
    str,
    typer.Option(
        callback=checked(CampaignName, "sono da 1 a 128 caratteri tra A-Z a-z 0-9 . _ : - e spazi"),
        help="La campagna, come nelle richieste.",
    ),
]


@app.command()
def stop(campaign: Campaign, as_json: AsJson = False) -> None:
    """Ferma subito i solleciti di una campagna: agisce senza --execute.

    Quelli già inviati restano, come i messaggi stessi; quelli che scadono intanto non si recuperano.

    Per esempio: postino reminders stop --campaign 'TARI 2026'
    """

    async def act(stores: Operator) -> list[dict[str, Any]]:
        await stores.audit.record("reminders stop", campaign)
        await stores.campaigns.stop(campaign, stores.audit.actor)
        return await stopped_campaigns(stores)

    _print_result(f"Solleciti fermati: {campaign}.", ask(act), as_json=as_json)


@app.command()
def resume(campaign: Campaign, as_json: AsJson = False) -> None:
    """Riprende i solleciti futuri di una campagna: agisce senza --execute.

    Per esempio: postino reminders resume --campaign 'TARI 2026'
    """

    async def act(stores: Operator) -> tuple[bool, list[dict[str, Any]]]:
        was_stopped = await stores.campaigns.is_stopped(campaign)
        await stores.audit.record("reminders resume", campaign)
        await stores.campaigns.resume(campaign)
        return was_stopped, await stopped_campaigns(stores)

    was_stopped, stopped = ask(act)
    line = f"Solleciti ripresi: {campaign}." if was_stopped else f"Non erano fermi: {campaign}."
    _print_result(line, stopped, as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Elenca le campagne i cui solleciti sono fermi.

    Per esempio: postino reminders list
    """
    _print_result(None, ask(stopped_campaigns), as_json=as_json)


async def stopped_campaigns(stores: Operator) -> list[dict[str, Any]]:
    """Return the campaigns with stopped reminders, and when and by whom each was stopped."""
    return [campaign async for campaign in stores.campaigns.stopped()]


def print_stopped(campaigns: list[dict[str, Any]]) -> None:
    """Print the campaigns with stopped reminders, and the command that resumes each."""
    if not campaigns:
        typer.echo("Nessuna campagna ha i solleciti fermi.")
        return
    rows = [
        (one["campaign"], one["at"], one["by"], f"postino reminders resume --campaign '{one['campaign']}'")
        for one in campaigns
    ]
    print_table(("solleciti fermi", "dal", "da chi", "per riprendere"), rows)


def _print_result(line: str | None, campaigns: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(campaigns)
        return
    if line:
        print_note(line)
    print_stopped(campaigns)
