"""The timer trigger that removes documents at the end of their retention."""

import azure.functions as func

from context import Context
from expire_documents.expire_documents import expire_documents
from storage.readiness import Readiness
from triggers import on_timer

# Documents are kept for days, but those of a campaign end together, and a tick lasts four minutes at most.
EVERY_HALF_HOUR = "0 */30 * * * *"


def blueprint(readiness: Readiness, context: Context) -> func.Blueprint:
    """Register expire_documents, also where no retention is set: the alert on silent timers counts it."""
    functions = func.Blueprint()
    on_timer(functions, readiness, "expire_documents", EVERY_HALF_HOUR, lambda: expire_documents(context))
    return functions
