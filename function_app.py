"""The app on one screen: settings, then clients, then functions. A wrong setting registers nothing."""

from datetime import UTC, datetime

import azure.functions as func

import check_status.functions
import lifetime
import measure_backlog.functions
import poison.functions
import reminders.functions
import send_message.functions
import settings
import telemetry
from io_api import rate_limiter
from io_api.account import IoAccount
from reminders.desk import Desk
from storage import campaigns, due_index, ledger, notices, parked
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.dispatcher import Dispatcher
from storage.intake import Intake
from storage.outcomes import Outcomes
from storage.readiness import Readiness


def clock() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


telemetry.configure()
configured = settings.load()
telemetry.export(configured)

account = StorageAccount(configured)
cipher = Cipher(configured.encryption_keys)
readiness = Readiness.of(account, cipher, rate_limiter.TABLE)
intake = Intake(readiness, account.queues())
io = IoAccount.of(configured, account.table(rate_limiter.TABLE), clock)
lifetime.close_at_the_end(io.aclose, account.aclose)
outcomes = Outcomes(account.queues())
due = due_index.DueIndex(account.table(due_index.TABLE), clock)
requests = ledger.Ledger(account.table(ledger.TABLE), cipher, clock)
carried = notices.Notices(account.table(notices.TABLE), cipher)
to_remind = due_index.DueIndex(account.table(due_index.REMINDERS_TABLE), clock)
dispatcher = Dispatcher(account.queues(), due, to_remind, outcomes, clock)

app = func.FunctionApp()
app.register_functions(
    send_message.functions.blueprint(
        intake=intake,
        ledger=requests,
        io=io,
        notices=carried,
        dispatcher=dispatcher,
        campaigns=campaigns.Campaigns(account.table(campaigns.TABLE), clock),
        reminders=configured.reminder_policies,
        clock=clock,
    )
)
app.register_functions(
    check_status.functions.blueprint(
        intake=intake,
        readiness=readiness,
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
        readiness=readiness,
        schedule=configured.reminders_schedule,
        desk=Desk.of(configured, account, io=io, ledger=requests, outcomes=outcomes, clock=clock),
    )
)
app.register_functions(
    poison.functions.blueprint(
        intake=intake,
        services=io.services,
        ledger=requests,
        parked=parked.Parked(account.table(parked.TABLE), cipher),
        outcomes=outcomes,
        dispatcher=dispatcher,
        clock=clock,
    )
)
app.register_functions(
    measure_backlog.functions.blueprint(
        readiness=readiness,
        queues=account.queues(),
        indexes={"due": due, "reminders": to_remind},
        clock=clock,
    )
)
