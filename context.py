"""What every function needs: the stores, the institution's account at IO, and settings by service."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from contract.reminders import ReminderPolicy
from io_api import rate_limiter
from io_api.account import IoAccount
from settings import Settings
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.documents import Documents
from storage.stores import Stores


@dataclass(frozen=True, kw_only=True, eq=False)
class Context(Stores):
    """The stores and IO. `policies`: reminder policies by service; `most_per_day`: reminders per citizen.

    `documents`: None where remote contents are switched off (REMOTE_CONTENT_API_KEY). `configuration_ids`:
    the services' configurations of remote contents at IO, by service. `feed_services`: the services whose
    subscriptions feed is followed.
    """

    io: IoAccount
    policies: Mapping[str, ReminderPolicy]
    most_per_day: int
    documents: Documents | None
    configuration_ids: Mapping[str, str]
    feed_services: Sequence[str]

    @classmethod
    def of(
        cls,
        configured: Settings,
        account: StorageAccount,
        cipher: Cipher,
        clock: Callable[[], datetime],
        *,
        io_clock: Callable[[], datetime] | None = None,
    ) -> Self:
        """Build the context from the settings. `io_clock`: another clock for suspensions and breakers.

        Raises SettingsError if no connection to IO could ever be made.
        """
        return cls.on(
            account.table,
            account.queues(),
            cipher,
            clock,
            io=IoAccount.of(configured, account.table(rate_limiter.TABLE), io_clock or clock),
            policies=configured.reminder_policies,
            most_per_day=configured.reminders_per_citizen_per_day,
            periods=configured.periods,
            documents=account.documents() if configured.remote_content_keys else None,
            configuration_ids=configured.configuration_ids,
            feed_services=configured.subscriptions_feed,
        )
