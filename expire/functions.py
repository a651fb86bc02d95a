"""The timer trigger that removes what has been kept for its period."""

import azure.functions as func

from context import Context
from storage.readiness import Readiness
from triggers import on_timer

# All is kept for days, but a campaign ends together, and a tick lasts four minutes at most.
EVERY_HALF_HOUR = "0 */30 * * * *"


def blueprint(readiness: Readiness, context: Context) -> func.Blueprint:
    """Register expire."""
    functions = func.Blueprint()

    async def remove() -> None:
        from expire.expire import expire

        await expire(context)

    on_timer(functions, readiness, "expire", EVERY_HALF_HOUR, remove)
    return functions
