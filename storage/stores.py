"""All stores of one storage account, built in one place."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from storage import (
    audit,
    campaigns,
    counters,
    due_index,
    key_checks,
    ledger,
    notices,
    parked,
    reminder_days,
    remote_contents,
    subscriptions,
)
from storage.audit import Audit
from storage.campaigns import Campaigns
from storage.catch_up import CatchUp
from storage.cipher import Cipher
from storage.counters import Counters
from storage.dispatcher import Dispatcher
from storage.due_index import DueIndex
from storage.key_checks import KeyChecks
from storage.key_rotation import KeyRotation
from storage.ledger import Ledger
from storage.notices import Notices
from storage.outcomes import Outcomes
from storage.parked import Parked
from storage.periods import DEFAULT, Periods
from storage.queues import Queues
from storage.reminder_days import ReminderDays
from storage.remote_contents import RemoteContents
from storage.retention import Retention
from storage.sealed_rows import SealedRows
from storage.subscriptions import Subscriptions
from storage.table import Table
from storage.tally import Tally

# The actor of the timer, which records nothing.
EXPIRE: Final = "expire"


@dataclass(frozen=True, kw_only=True, eq=False)
class Stores:
    """The stores and the clock (UTC) that they share."""

    clock: Callable[[], datetime]
    queues: Queues
    ledger: Ledger
    parked: Parked
    notices: Notices
    campaigns: Campaigns
    reminder_days: ReminderDays
    remote_contents: RemoteContents
    subscriptions: Subscriptions
    retention: Retention
    catch_up: CatchUp
    past_actions: Audit
    due_index: DueIndex
    reminder_index: DueIndex
    outcomes: Outcomes
    counters: Counters
    dispatcher: Dispatcher
    key_checks: KeyChecks
    key_rotation: KeyRotation
    sealed_rows: SealedRows

    @classmethod
    def on(
        cls,
        tables: Callable[[str], Table],
        queues: Queues,
        cipher: Cipher,
        clock: Callable[[], datetime],
        *,
        periods: Periods = DEFAULT,
        **others: Any,
    ) -> Self:
        """Build the stores of an account. `tables` gives a table by name; `others`: fields of a subclass.

        `periods`: how long each kind of data is kept.
        """
        due = DueIndex(tables(due_index.TABLE), clock)
        reminders = DueIndex(tables(due_index.REMINDERS_TABLE), clock)
        contents = RemoteContents(tables(remote_contents.TABLE), cipher)
        ends = tables(due_index.ENDS_TABLE)
        retention = Retention(DueIndex(ends, clock), periods)
        outcomes = Outcomes(queues)
        tally = Tally()
        return cls(
            clock=clock,
            queues=queues,
            ledger=Ledger(tables(ledger.TABLE), cipher, clock, tally),
            parked=Parked(tables(parked.TABLE), cipher),
            notices=Notices(tables(notices.TABLE), cipher),
            campaigns=Campaigns(tables(campaigns.TABLE), clock),
            reminder_days=ReminderDays(tables(reminder_days.TABLE)),
            remote_contents=contents,
            subscriptions=Subscriptions(tables(subscriptions.TABLE), cipher),
            retention=retention,
            catch_up=CatchUp(
                ends, {name: tables(name) for name in (ledger.TABLE, notices.TABLE, parked.TABLE)}
            ),
            past_actions=Audit(tables(audit.TABLE), EXPIRE, clock),
            due_index=due,
            reminder_index=reminders,
            outcomes=outcomes,
            counters=Counters(tables(counters.TABLE), tally, clock),
            dispatcher=Dispatcher(queues, due, reminders, contents, retention, outcomes, clock),
            key_checks=KeyChecks(tables(key_checks.TABLE), cipher),
            key_rotation=KeyRotation(tables(key_checks.TABLE), clock),
            sealed_rows=SealedRows(tables, cipher),
            **others,
        )
