"""The timer trigger that removes what has been kept for its period."""

import azure.functions as func

from context import Context
from expire.expire import expire
from storage.readiness import Readiness
from triggers import on_timer

# All is kept for days, but a campaign ends together, and a tick lasts four minutes at most.
EVERY_HALF_HOUR = "0 */30 * * * *"


def blueprint(readiness: Readiness, context: Context) -> func.Blueprint:
    """Register expire."""
    functions = func.Blueprint()
    on_timer(functions, readiness, "expire", EVERY_HALF_HOUR, lambda: expire(context))
    return functions
