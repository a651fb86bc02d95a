"""The road of one request: for each kind of request, and for each way in which it can end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from contract.request import parse_request
from storage.queues import MESSAGE_SENDS
from tests.e2e.sample import MARKDOWN, as_text, base64_text, fiscal_code, payment, request
from tests.e2e.world import World

ADVANCED = {"feature_level_type": "ADVANCED"}
PAYMENT = {"content": {"payment_data": payment()}}
DEADLINE = {"content": {"due_date": "2027-06-30T23:59:59+02:00"}}
DEADLINE_AT_IO = "2027-06-30T21:59:59.000Z"
ENGLISH = {"subject": "Your case is closed", "markdown": f"{MARKDOWN} (in English)"}
TRANSLATED = {"translations": {"en_GB": ENGLISH}}
READER = {"reads_after_seconds": 0, "pays_after_seconds": None}
PAYER = {"reads_after_seconds": 0, "pays_after_seconds": 0}


@dataclass(frozen=True)
class Case:
    """What upstream asks for, how IO's citizen behaves, and the road that must come of it."""

    road: str
    fields: dict[str, Any] = field(default_factory=dict)
    citizen: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    encode: Callable[[str], str] = str


SENT = {
    "standard": Case("SENDING ACCEPTED PROCESSED", citizen=READER),
    "base64": Case("SENDING ACCEPTED PROCESSED", encode=base64_text),
    "standard-payment": Case("SENDING ACCEPTED PROCESSED", PAYMENT, PAYER),
    "standard-deadline": Case("SENDING ACCEPTED PROCESSED", DEADLINE),
    "advanced": Case("SENDING ACCEPTED PROCESSED READ", ADVANCED, READER),
    "advanced-payment": Case("SENDING ACCEPTED PROCESSED READ PAID", ADVANCED | PAYMENT, PAYER),
    "advanced-deadline": Case("SENDING ACCEPTED PROCESSED READ", ADVANCED | DEADLINE, READER),
    "read-unavailable": Case(
        "SENDING ACCEPTED PROCESSED READ_UNAVAILABLE", ADVANCED, {"read_status_unavailable": [{}]}
    ),
    "rejected": Case("SENDING ACCEPTED REJECTED", citizen={"processing_outcome": "REJECTED"}),
    "failed": Case("SENDING ACCEPTED FAILED", citizen={"processing_outcome": "FAILED"}),
    "in-english": Case(
        "SENDING ACCEPTED PROCESSED", TRANSLATED, {"preferred_languages": ["de_DE", "en_GB", "it_IT"]}
    ),
    "in-italian": Case("SENDING ACCEPTED PROCESSED", TRANSLATED, {"preferred_languages": ["it_IT", "en_GB"]}),
}
NOT_SENT = {
    "not-on-io": Case("SKIPPED", citizen={"on_io": False}, reason="recipient_not_found"),
    "blocked": Case("SKIPPED", citizen={"sender_allowed": False}, reason="sender_not_allowed"),
    "expired": Case("EXPIRED", {"expires_at": "2026-01-01T00:00:00Z"}),
    "refused": Case(
        "SENDING REFUSED",
        {"content": {"payment_data": payment(cents=1_000_001)}},
        reason="payment_amount_not_allowed",
    ),
}


def requests(cases: dict[str, Case]) -> dict[str, dict[str, Any]]:
    """A request for each case, to a person of its own."""
    return {
        name: request(name, fiscal_code(number), **case.fields)
        for number, (name, case) in enumerate(cases.items())
    }


async def go(world: World, cases: dict[str, Case]) -> None:
    """Script IO, put the requests, and wait until each has gone its road."""
    asked = requests(cases)
    await world.io.citizens({asked[name]["fiscal_code"]: case.citizen for name, case in cases.items()})
    await world.start_hosts()
    await world.put_text(*(case.encode(as_text(asked[name])) for name, case in cases.items()))
    await world.until_gone({name: case.road for name, case in cases.items()})


def at_io(name: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The content that IO must hold for a request."""
    deadline = {"due_date": DEADLINE_AT_IO} if "due_date" in asked["content"] else {}
    return asked["content"] | deadline | (ENGLISH if name == "in-english" else {})


async def test_sent_requests(world: World) -> None:
    """A request to who can be reached becomes one message in IO, as it was asked for, and is followed."""
    await go(world, SENT)
    assert {name: set(states) for name, states in world.told().items()} == {
        name: set(case.road.lower().split()) - {"sending"} for name, case in SENT.items()
    }
    entries = await world.entries()
    assert {message["id"]: message["content"] for message in await world.io.messages()} == {
        entries[name].message_id: at_io(name, asked) for name, asked in requests(SENT).items()
    }
    assert {message["id"]: message["feature_level_type"] for message in await world.io.messages()} == {
        entry.message_id: entry.feature_level_type for entry in entries.values()
    }
    await world.until(world.queues_are_empty)


async def test_requests_that_are_not_sent(world: World) -> None:
    """A request that cannot be sent (recipient, time, or IO refuses it) ends with its reason."""
    await go(world, NOT_SENT)
    await world.until_parked(1)
    assert {name: set(states) for name, states in world.told().items()} == {
        "not-on-io": {"skipped"},
        "blocked": {"skipped"},
        "expired": {"expired"},
        "refused": {"refused", "parked"},
    }
    reasons = {name: case.reason for name, case in NOT_SENT.items()}
    entries = await world.entries()
    assert {name: entry.last_step.get("reason") for name, entry in entries.items()} == reasons
    assert all(event["data"].get("reason") == reasons[event["subject"]] for event in world.events)
    assert await world.io.messages() == []
    [parked] = await world.all_parked()
    assert (parked.queue, parked.parked_id, parked.http_status) == (MESSAGE_SENDS, "refused", 400)
    assert parse_request(world.parked.body_of(parked)) == parse_request(
        as_text(requests(NOT_SENT)["refused"])
    )


async def test_not_before(world: World) -> None:
    """A request is not sent before its `not_before`, nor does it hold others up."""
    await world.start_hosts()
    start = (datetime.now(UTC) + timedelta(seconds=4)).replace(microsecond=0)
    await world.put(
        request("later", fiscal_code(1), not_before=start.isoformat()), request("now", fiscal_code(2))
    )
    await world.until_gone({"later": "SENDING ACCEPTED", "now": "SENDING ACCEPTED"})
    accepted = {m["fiscal_code"]: datetime.fromisoformat(m["accepted_at"]) for m in await world.io.messages()}
    assert accepted[fiscal_code(1)] >= start


async def test_later_looks(world: World) -> None:
    """What changes after the first look is told too: read after UNAVAILABLE, paid after read."""
    await world.io.citizens({fiscal_code(1): {"read_status_unavailable": [{}]}, fiscal_code(2): READER})
    await world.start_hosts()
    await world.put(
        request("hidden", fiscal_code(1), **ADVANCED), request("unpaid", fiscal_code(2), **ADVANCED | PAYMENT)
    )
    first = {
        "hidden": "SENDING ACCEPTED PROCESSED READ_UNAVAILABLE",
        "unpaid": "SENDING ACCEPTED PROCESSED READ",
    }
    await world.until_gone(first)
    await world.io.citizens({fiscal_code(1): READER, fiscal_code(2): PAYER})
    await world.until_gone({"hidden": f"{first['hidden']} READ", "unpaid": f"{first['unpaid']} PAID"})
    assert {name: set(states) for name, states in world.told().items()} == {
        "hidden": {"accepted", "processed", "read_unavailable", "read"},
        "unpaid": {"accepted", "processed", "read", "paid"},
    }
