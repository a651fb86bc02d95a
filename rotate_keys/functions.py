"""The timer trigger of a rotation of keys."""

import azure.functions as func

from storage.readiness import Readiness
from storage.stores import Stores
from triggers import on_timer

# While no rotation runs, a tick costs one read.
EVERY_FIVE_MINUTES = "0 */5 * * * *"


def blueprint(readiness: Readiness, stores: Stores) -> func.Blueprint:
    """Register rotate_keys."""
    functions = func.Blueprint()

    async def rotate() -> None:
        from rotate_keys.rotate_keys import rotate_keys

        await rotate_keys(stores)

    on_timer(functions, readiness, "rotate_keys", EVERY_FIVE_MINUTES, rotate)
    return functions
