"""The counters as commands read them: the first command ever makes them, from the ledger."""

from cli.connection import Operator
from cli.printing import print_note
from storage.counters import Counted
from storage.recount import recount
from storage.table import Unanswered

FORBIDDEN = 403


async def counted(stores: Operator, campaign: str | None, service: str | None) -> list[Counted]:
    """Return the counters of the groups. The first call ever rebuilds them. Raises Unanswered."""
    if await stores.counters.recounted_at() is None:
        await _count_for_the_first_time(stores)
    return await stores.counters.read(campaign, service)


async def rebuild(stores: Operator, campaign: str | None) -> None:
    """Rebuild the counters of every group, or of a campaign's. Raises Unanswered."""
    await stores.audit.record("status recount", campaign or "*")
    await recount(stores.ledger, stores.counters, campaign)


async def _count_for_the_first_time(stores: Operator) -> None:
    try:
        await rebuild(stores, None)
    except Unanswered as error:
        if error.status != FORBIDDEN:
            raise
        print_note(
            "I contatori non sono mai stati ricontati: chi può scrivere lanci `postino status --recount`."
        )
