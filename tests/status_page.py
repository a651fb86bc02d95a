"""An account with something to see on the status page, and people who sign in."""

import base64
import json
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from contract.violations import Violation
from show_status.overview import Overview
from show_status.show_status import StatusPage
from storage.parked import ParkedMessage
from storage.tally import Group, Sums
from tests.fake_app import FakeApp

ROLE = "Postino.Read"
CAMPAIGN = "TARI 2026"
NUMBERS = Counter(
    {
        **{"requests": 12_480, "reachable": 11_873, "reached/ACCEPTED": 11_860, "reached/PROCESSED": 11_851},
        **{"reached/READ": 7_204, "reached/PAID": 3_918, "reached/REMINDED": 1_310, "reminders": 1_310},
        **{"delivered/premium": 11_851, "delivered/payment": 11_420, "premium/2026": 11_860},
        **{"state/IN_DOUBT": 3, "now/IN_DOUBT/timeout": 2, "now/IN_DOUBT/connection_lost": 1},
        **{"state/SKIPPED": 584, "now/SKIPPED/recipient_not_found": 402},
        **{"now/SKIPPED/sender_not_allowed": 182, "state/DEAD": 4, "now/DEAD/document_missing": 4},
        **{"state/REFUSED": 7, "now/REFUSED/payment_amount_not_allowed": 7, "state/PROCESSED": 4_640},
        **{"state/READ": 3_290, "state/PAID": 3_918, "state/ACCEPTED": 9},
        **{"to_read/1h": 1_902, "to_read/6h": 2_388, "to_read/1d": 1_507, "to_read/3d": 890},
        **{"to_read/7d": 361, "to_read/14d": 120, "to_read/30d": 36, "to_read/seconds": 340_000_000},
        **{"to_pay/1d": 420, "to_pay/3d": 610, "to_pay/7d": 938, "to_pay/14d": 1_204, "to_pay/30d": 690},
        **{"to_pay/longer": 56, "to_pay/seconds": 2_100_000_000},
    }
)


async def filled() -> FakeApp:
    """An account in the middle of a campaign: two messages are in doubt, some are parked, some wait."""
    app = FakeApp()
    now = app.clock()
    sums = Sums(Counter(NUMBERS), now - timedelta(days=40), now, now - timedelta(minutes=3))
    counters = app.stores.counters
    await counters.correct(Group(CAMPAIGN, "tributi"), sums, Sums(), 0, now)
    older = Sums(Counter({"requests": 41}), now - timedelta(days=90), now - timedelta(days=80), None)
    await counters.correct(Group("mense-2026", "scuola"), older, Sums(), 0, now)
    await counters.recounted(now)
    await app.accepted("tari-000123", campaign=CAMPAIGN)
    await _park(app, "tari-000777", "document_missing")
    await _park(app, None, "invalid")
    for _ in range(2):
        await app.queues.put("message-requests", "{}")
    await app.queues.put("message-sends-bulk", "{}")
    app.clock.advance(hours=3, minutes=20)
    await app.queues.put("message-outcomes", "{}")
    return app


async def _park(app: FakeApp, request_id: str | None, reason: str) -> None:
    now = app.clock()
    violations = (Violation(field="content.subject", rule="must have 10 to 120 UTF-16 code units, has 3"),)
    await app.stores.parked.keep(
        ParkedMessage(
            "message-requests",
            request_id or "body-0123456789abcdef0123456789abcdef",
            reason,
            now,
            now,
            request_id=request_id,
            service="tributi",
            campaign=CAMPAIGN,
            violations=violations if request_id else (),
        ),
        "{}",
    )


def page_of(app: FakeApp, *, signs_in: bool = True) -> StatusPage:
    """The page of an account, for people with ROLE."""
    return StatusPage(app.stores, Overview(app.stores), ROLE, signs_in)


def principal(*roles: str, **changes: Any) -> str:
    """The header by which the platform tells who signed in, with these roles."""
    claims = [{"typ": "name", "val": "Maria"}, *({"typ": "roles", "val": role} for role in roles)]
    document = {"auth_typ": "aad", "claims": claims, "name_typ": "name", "role_typ": "roles"} | changes
    return base64.b64encode(json.dumps(document).encode()).decode()


async def asked(page: StatusPage, fields: Mapping[str, str] = {}) -> tuple[int, str]:
    """What an operator with the role gets."""
    return await page.answer([principal(ROLE)], fields)
