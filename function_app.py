"""The app on one screen: settings, then clients, then functions. A wrong setting registers nothing."""

import gc

gc.disable()  # imports leave next to no garbage, and the collector would go through them again and again

from datetime import UTC, datetime

import azure.functions as func

import check_status.functions
import expire.functions
import follow_subscriptions.functions
import lifetime
import measure_backlog.functions
import poison.functions
import reminders.functions
import rotate_keys.functions
import send_message.functions
import settings
import telemetry
from context import Context
from io_api import rate_limiter
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.intake import Intake
from storage.readiness import Readiness

gc.freeze()  # what was imported stays, so the collector never goes through it
gc.enable()


def clock() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


telemetry.configure()
configured = settings.load()
telemetry.export(configured)

account = StorageAccount(configured)
cipher = Cipher(configured.encryption_keys)
context = Context.of(configured, account, cipher, clock)
readiness = Readiness.of(account, cipher, rate_limiter.TABLE, prepare=context.io.prepare)
intake = Intake(readiness, context.queues)
lifetime.keep_running(context.counters.keep_writing)
lifetime.close_at_the_end(context.io.aclose, context.counters.close, account.aclose)

app = func.FunctionApp()
app.register_functions(send_message.functions.blueprint(intake, context))
app.register_functions(
    check_status.functions.blueprint(intake, readiness, context, configured.check_status_schedule)
)
app.register_functions(reminders.functions.blueprint(readiness, context, configured.reminders_schedule))
app.register_functions(poison.functions.blueprint(intake, context))
app.register_functions(measure_backlog.functions.blueprint(readiness, context))
app.register_functions(expire.functions.blueprint(readiness, context))
app.register_functions(
    follow_subscriptions.functions.blueprint(readiness, context, configured.subscriptions_feed_schedule)
)
app.register_functions(rotate_keys.functions.blueprint(readiness, context))
if keys := configured.remote_content_keys:
    # The extension that streams documents takes half a second to import, and makes the worker an HTTP server.
    import remote_content.functions

    header = configured.remote_content_api_key_header
    app.register_functions(remote_content.functions.blueprint(readiness, context, cipher, keys, header))
if role := configured.status_page_role:
    import show_status.functions

    app.register_functions(show_status.functions.blueprint(context, role, signs_in=configured.signs_in))
