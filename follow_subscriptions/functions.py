"""The timer trigger that follows the subscriptions feed."""

import azure.functions as func

from context import Context
from storage.readiness import Readiness
from triggers import on_timer


def blueprint(readiness: Readiness, context: Context, schedule: str) -> func.Blueprint:
    """Register follow_subscriptions, also where no feed is followed: the alert on silent timers counts it."""
    functions = func.Blueprint()

    async def follow() -> None:
        from follow_subscriptions.follow_subscriptions import follow_subscriptions

        await follow_subscriptions(context)

    on_timer(functions, readiness, "follow_subscriptions", schedule, follow)
    return functions
