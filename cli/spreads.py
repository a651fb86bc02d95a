"""How `postino send` spreads a campaign: what its first run decided counts, so that no message changes."""

from dataclasses import replace
from typing import Final

from cli.campaign_file.spread import Spread, WrongSpread
from cli.connection import ask, clock
from cli.printing import ATTENTION, WRONG, fail
from storage.campaign_spreads import Kept

_OTHER: Final = "Un altro comando ha appena distribuito questa campagna in altro modo: ripeti questo."


def spread_of(campaign: str, asked: str | None, nothing: str, *, dry_run: bool) -> Spread | None:
    """Return the spread that counts for a campaign, or None. A spread other than that ends the command."""
    new = None if asked is None else _parsed(asked)
    kept = None if dry_run else ask(lambda stores: stores.campaign_spreads.of(campaign))
    if kept is None:
        if new and new.windows[0].closes <= clock():
            fail(WRONG, f"--spread: il primo giorno, {new.first:%d/%m/%Y}, è già passato.")
        return new
    spread = replace(Spread.parse(kept.text, clock()), bounds=kept.bounds)
    if asked is None or not spread.is_asked_by(asked, clock()):
        told = f"Questa campagna è già distribuita: {spread}. Gli invii restano lì."
        fail(ATTENTION, told, f"Ripeti con --spread '{spread}'.", nothing)
    return spread


def keep_spread(campaign: str, spread: Spread | None, nothing: str) -> None:
    """Keep the spread of a campaign before its first message leaves."""
    if spread is None:
        return
    wanted = Kept(str(spread), spread.bounds or ())
    if ask(lambda stores: stores.campaign_spreads.keep(campaign, wanted)) != wanted:
        fail(ATTENTION, _OTHER, nothing)


def _parsed(text: str) -> Spread:
    try:
        return Spread.parse(text, clock())
    except WrongSpread as error:
        fail(WRONG, f"--spread: {error}.")
