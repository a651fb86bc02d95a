"""What the reminders' timer works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from contract.reminders import ReminderPolicy
from io_api.account import IoAccount
from reminders.plan import Kind
from settings import Settings
from storage import campaigns, due_index, reminder_days
from storage.account import StorageAccount
from storage.campaigns import Campaigns
from storage.due_index import DueIndex
from storage.ledger import Ledger
from storage.outcomes import Outcomes
from storage.queues import Queues
from storage.reminder_days import ReminderDays


@dataclass(frozen=True)
class Desk:
    """The stores, IO, the policies of the services by name, and the cap of a citizen's day."""

    ledger: Ledger
    io: IoAccount
    index: DueIndex
    days: ReminderDays
    campaigns: Campaigns
    queues: Queues
    outcomes: Outcomes
    policies: Mapping[str, ReminderPolicy]
    most_per_day: int
    clock: Callable[[], datetime]

    @classmethod
    def of(
        cls,
        configured: Settings,
        account: StorageAccount,
        *,
        io: IoAccount,
        ledger: Ledger,
        outcomes: Outcomes,
        clock: Callable[[], datetime],
    ) -> Self:
        """The desk of the settings, on the tables of the storage account."""
        return cls(
            ledger=ledger,
            io=io,
            index=DueIndex(account.table(due_index.REMINDERS_TABLE), clock),
            days=ReminderDays(account.table(reminder_days.TABLE)),
            campaigns=Campaigns(account.table(campaigns.TABLE), clock),
            queues=account.queues(),
            outcomes=outcomes,
            policies=configured.reminder_policies,
            most_per_day=configured.reminders_per_citizen_per_day,
            clock=clock,
        )

    def most_for(self, kind: Kind) -> int:
        """The cap for reminders of a kind: where there is room for two, the last is for payments.

        Whoever is told of a message that he has not read can be told tomorrow, but not of a payment.
        """
        return self.most_per_day if kind is Kind.UNPAID else max(1, self.most_per_day - 1)
