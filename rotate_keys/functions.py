"""The timer trigger of a rotation of keys."""

import azure.functions as func

from rotate_keys.rotate_keys import rotate_keys
from storage.readiness import Readiness
from storage.stores import Stores
from triggers import on_timer

# While no rotation runs, a tick costs one read.
EVERY_FIVE_MINUTES = "0 */5 * * * *"


def blueprint(readiness: Readiness, stores: Stores) -> func.Blueprint:
    """Register rotate_keys."""
    functions = func.Blueprint()
    on_timer(functions, readiness, "rotate_keys", EVERY_FIVE_MINUTES, lambda: rotate_keys(stores))
    return functions
