"""The secret of a campaign: the ids of requests that have none of their own are computed from it.

An id travels in logs and events. Computed with a secret, it stands for a person and a notice without saying
which. The secret is kept apart from the keyring, so the same person has the same id after a rotation of keys.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final, Self

from storage import campaigns
from storage.cipher import Cipher
from storage.table import AlreadyThere, Table

TABLE: Final = campaigns.TABLE
PARTITION: Final = "secrets"
_COLUMN: Final = "sealed"


@dataclass(frozen=True)
class CampaignSecret:
    """Computes the request_ids of a campaign."""

    campaign: str
    key: bytes

    @classmethod
    def temporary(cls, campaign: str) -> Self:
        """Return a secret for ids that are not sent."""
        return cls(campaign, secrets.token_bytes(32))

    def request_id(self, own_id: object, fiscal_code: str, notice_number: str) -> str:
        """Return the campaign's name with the sender's own id, else with a keyed hash of person and notice.

        The text of the message has no part in it: a changed text is the same message, which was sent already.
        """
        label = self.campaign.replace(" ", "_")
        if own_id is not None:
            return f"{label}:{own_id}"
        return f"{label[:90]}:{self.digest(f'{fiscal_code}\n{notice_number}'.encode())[:32]}"

    def digest(self, plain: bytes) -> str:
        """Return a keyed hash: 64 hex digits that cannot be enumerated without the secret."""
        return hmac.digest(self.key, plain, hashlib.sha256).hex()


class CampaignSecrets:
    """Holds one row per campaign, encrypted."""

    def __init__(self, table: Table, cipher: Cipher) -> None:
        self._table = table
        self._cipher = cipher

    async def of(self, campaign: str) -> CampaignSecret:
        """Return the secret of a campaign, made at the first call. Raises Undecipherable and Unanswered."""
        row = await self._table.get(PARTITION, campaign)
        if row is None:
            new = CampaignSecret.temporary(campaign)
            try:
                await self._table.insert(PARTITION, campaign, {_COLUMN: self._cipher.seal(new.key)})
            except AlreadyThere:
                return await self.of(campaign)
            return new
        return CampaignSecret(campaign, self._cipher.open(row.values[_COLUMN]))
