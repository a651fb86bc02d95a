"""The canary of a campaign: trials of its template and columns, before its first real message."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final

import typer
from pydantic import SecretStr

from cli.campaign_file.campaign import CampaignFile
from cli.campaign_file.linter import Checked
from cli.campaign_file.sample import CENTS, rounded_up, sample_row
from cli.campaign_file.trial_requests import Trial, sample_trials, trials_of_file
from cli.connection import clock
from cli.printing import WRONG, fail
from cli.trials import Sample, WaitMinutes, print_invented
from report.italian import ROME, joined

WAIT_MINUTES: Final = 15


@dataclass(frozen=True)
class Canary:
    """The options of a canary."""

    canary: Annotated[
        int | None, typer.Option(min=1, max=20, help="Quante prove inviare prima della campagna.")
    ] = None
    sample: Sample = None
    wait: WaitMinutes = WAIT_MINUTES
    yes: Annotated[
        bool, typer.Option("--yes", help="Prosegue senza chiedere, se tutte le prove sono consegnate.")
    ] = False

    def check(self, nothing: str) -> None:
        """End the command if it speaks of trials and has none: whoever wrote it expects them."""
        asked = {"--sample": self.sample, "--wait": self.wait != WAIT_MINUTES, "--yes": self.yes}
        if self.canary is None and (names := [name for name, is_asked in asked.items() if is_asked]):
            fail(WRONG, f"{joined(names)} vale con --canary: aggiungi quante prove inviare.", nothing)


def canary_trials(
    opened: CampaignFile, found: Checked, canary: Canary, listed: Sequence[SecretStr]
) -> list[Trial]:
    """Return the trials of a campaign that was checked. Raises Unusable."""
    wanted = canary.canary or 0
    recipients = list(enumerate((code.get_secret_value() for code in listed), start=1))
    if not recipients:
        fail(WRONG, "Per le prove metti in TEST_RECIPIENTS i codici fiscali dei destinatari di prova.")
    row_requests = replace(opened.requests, spread=None)  # a trial leaves at once
    if canary.sample:
        sample = CampaignFile.open(
            *(canary.sample, None, row_requests.template),
            service=row_requests.service,
            services=row_requests.services,
            secret=row_requests.secret,
        )
        return trials_of_file(sample, recipients, wanted)
    if wanted > len(recipients):
        fail(WRONG, f"TEST_RECIPIENTS ha {len(recipients)} destinatari di prova, e le prove sono {wanted}.")
    row = sample_row(
        row_requests.columns,
        row_requests.template,
        today=clock().astimezone(ROME).date(),
        cents=rounded_up(found.highest_cents) if found.highest_cents else CENTS,
        payee=_payee(found),
    )
    print_invented(row_requests, row)
    return sample_trials(row_requests, row, recipients[:wanted])


def _payee(found: Checked) -> str | None:
    payment = found.first.content.payment_data if found.first else None
    return payment.payee.fiscal_code if payment and payment.payee else None
