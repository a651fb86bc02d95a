"""The app on one screen: settings, then clients, then functions. A wrong setting registers nothing."""

from datetime import UTC, datetime

import azure.functions as func

import check_status.functions
import poison.functions
import reminders.functions
import send_message.functions
import settings
import telemetry
from io_api import turns
from io_api.account import IoAccount, Keys
from io_api.client import IoClient
from io_api.stop_board import StopBoard
from reminders.desk import Desk
from storage import campaigns, due_index, ledger, notices, parked, reminder_days
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.handover import Handover
from storage.outcomes import Outcomes


def clock() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


telemetry.configure()
configured = settings.load()

account = StorageAccount(configured)
cipher = Cipher(configured.encryption_keys)
shared = account.table(turns.TABLE)
turns_at_io = turns.Turns(shared, configured.io_rate_limit)
io = IoAccount(
    IoClient(str(configured.io_api_base_url), observe=turns_at_io.observe),
    {name: Keys(service.key, service.secondary_key) for name, service in configured.services.items()},
    turns=turns_at_io,
    stops=StopBoard(shared, clock),
)
outcomes = Outcomes(account.queues())
due = due_index.DueIndex(account.table(due_index.TABLE), clock)
requests = ledger.Ledger(account.table(ledger.TABLE), cipher, clock)
carried = notices.Notices(account.table(notices.TABLE), cipher)
to_remind = due_index.DueIndex(account.table(due_index.REMINDERS_TABLE), clock)
handover = Handover(account.queues(), due, to_remind, outcomes, clock)
policies = {name: service.reminders for name, service in configured.services.items()}

app = func.FunctionApp()
app.register_functions(
    send_message.functions.blueprint(
        ledger=requests, io=io, notices=carried, handover=handover, reminders=policies, clock=clock
    )
)
app.register_functions(
    check_status.functions.blueprint(
        schedule=configured.check_status_schedule,
        ledger=requests,
        io=io,
        due_index=due,
        notices=carried,
        outcomes=outcomes,
        queues=account.queues(),
        clock=clock,
    )
)
app.register_functions(
    reminders.functions.blueprint(
        schedule=configured.reminders_schedule,
        desk=Desk(
            ledger=requests,
            io=io,
            index=to_remind,
            days=reminder_days.ReminderDays(account.table(reminder_days.TABLE)),
            campaigns=campaigns.Campaigns(account.table(campaigns.TABLE), clock),
            queues=account.queues(),
            outcomes=outcomes,
            policies=policies,
            most_per_day=configured.reminders_per_citizen_per_day,
            clock=clock,
        ),
    )
)
app.register_functions(
    poison.functions.blueprint(
        services=io.services,
        ledger=requests,
        parked=parked.Parked(account.table(parked.TABLE), cipher),
        outcomes=outcomes,
        handover=handover,
        clock=clock,
    )
)
