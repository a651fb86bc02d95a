"""The timer trigger that measures the backlog."""

import azure.functions as func

from measure_backlog.measure_backlog import measure_backlog
from storage.readiness import Readiness
from storage.stores import Stores
from triggers import on_timer

EVERY_MINUTE = "0 * * * * *"


def blueprint(readiness: Readiness, stores: Stores) -> func.Blueprint:
    """Register measure_backlog, every minute: a storage fault is logged even while no message comes."""
    functions = func.Blueprint()
    on_timer(functions, readiness, "measure_backlog", EVERY_MINUTE, lambda: measure_backlog(stores))
    return functions
