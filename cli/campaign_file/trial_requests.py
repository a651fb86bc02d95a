"""The requests of trials: messages with invented data to the institution's own test recipients.

docs/decisions/0019-trials.md has the reasons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Self

from cli.campaign_file.campaign import CampaignFile
from cli.campaign_file.cells import Row
from cli.campaign_file.columns import BLOB, FISCAL_CODE
from cli.campaign_file.findings import Finding, Unusable
from cli.campaign_file.row_request import RowRequests, RowResult
from contract.reminders import Reminders
from contract.request import MessageRequest
from storage.campaign_secrets import CampaignSecret

# Set apart in the ledger, so that the campaign's own numbers do not count trials.
_SUFFIX: Final = " - prova"
_LONGEST: Final = 128 - len(_SUFFIX)


def campaign_of_trials(campaign: str) -> str:
    """Return the campaign to which the trials of a campaign belong."""
    return campaign[:_LONGEST].rstrip() + _SUFFIX


@dataclass(frozen=True)
class Trial:
    """One message to one test recipient. `recipient`: the recipient's number in the list, from 1."""

    recipient: int
    request: MessageRequest

    @classmethod
    def of(cls, request: MessageRequest, recipient: int, fiscal_code: str, secret: CampaignSecret) -> Self:
        """Address a request to a test recipient. It goes at once, before all others, and reminds nobody.

        The id is that of the content: the same text is the same trial, and a changed text another one.
        """
        addressed = request.model_copy(
            update={
                "request_id": "prova",
                "fiscal_code": fiscal_code,
                "campaign": campaign_of_trials(secret.campaign),
                "priority": None,
                "reminders": Reminders(),
                "not_before": None,
                "expires_at": None,
            }
        )
        digest = secret.digest(addressed.canonical_bytes())[:32]
        label = secret.campaign.replace(" ", "_")[:80]
        return cls(recipient, addressed.model_copy(update={"request_id": f"{label}:prova:{digest}"}))

    def repeated(self, time: int) -> MessageRequest:
        """Return the request of the trial's first, second, ... `time`. Each is another message."""
        return self.request.model_copy(update={"request_id": f"{self.request.request_id}:{time}"})


def sample_trials(row_requests: RowRequests, row: Row, recipients: Sequence[tuple[int, str]]) -> list[Trial]:
    """Return a trial of an invented row for each test recipient. Raises Unusable."""
    if BLOB.path in row_requests.columns.by_path:
        raise Unusable.because("prova-allegati", row_requests.place_of(BLOB.path))
    request = _request(row_requests.of(row))
    return [Trial.of(request, number, code, row_requests.secret) for number, code in recipients]


def trials_of_file(sample: CampaignFile, recipients: Sequence[tuple[int, str]], wanted: int) -> list[Trial]:
    """Return the trials of the first rows of a file of invented rows, each to its own recipient.

    Raises Unusable if a row is wrong, or is for anyone else: it could be a real one.
    """
    results = list(islice(sample.results(), wanted))
    if len(results) < wanted:
        raise Unusable.because("prova-poche-righe", rows=len(results), wanted=wanted)
    numbers = {code: number for number, code in recipients}
    strangers = [result for result in results if result.fiscal_code not in numbers]
    if strangers:
        place = sample.requests.place_of(FISCAL_CODE.path)
        raise Unusable(Finding.of("prova-destinatario", place, one.row.number) for one in strangers)
    secret = sample.requests.secret
    return [
        Trial.of(_request(result), numbers[result.fiscal_code], result.fiscal_code, secret)
        for result in results
    ]


def _request(result: RowResult) -> MessageRequest:
    if result.request is None:
        raise Unusable(finding for finding in result.findings if finding.level == "error")
    return result.request
