"""The steps of each kind of request, for each way in which it can end."""

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
    """The fields of a request, its citizen's behaviour at IO, and the expected steps."""

    path: str
    fields: dict[str, Any] = field(default_factory=dict)
    citizen: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    encode: Callable[[str], str] = str


CASES = {
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
    "not-on-io": Case("SKIPPED", citizen={"on_io": False}, reason="recipient_not_found"),
    "blocked": Case("SKIPPED", citizen={"sender_allowed": False}, reason="sender_not_allowed"),
    "expired": Case("EXPIRED", {"expires_at": "2026-01-01T00:00:00Z"}),
    "refused": Case(
        "SENDING REFUSED",
        {"content": {"payment_data": payment(cents=1_000_001)}},
        reason="payment_amount_not_allowed",
    ),
}


REQUESTS = {
    name: request(name, fiscal_code(number), **case.fields)
    for number, (name, case) in enumerate(CASES.items())
}


def told(path: str) -> set[str]:
    """The outcomes published for these steps."""
    parked = {"parked"} if "REFUSED" in path else set()
    return set(path.lower().split()) - {"sending"} | parked


def at_io(name: str) -> dict[str, Any]:
    """The content that IO must hold for a request."""
    content: dict[str, Any] = REQUESTS[name]["content"]
    deadline = {"due_date": DEADLINE_AT_IO} if "due_date" in content else {}
    return content | deadline | (ENGLISH if name == "in-english" else {})


async def test_every_kind_of_request(world: World) -> None:
    """Each kind of request takes its own steps and is published, and IO has exactly the expected messages."""
    await world.io.citizens({REQUESTS[name]["fiscal_code"]: case.citizen for name, case in CASES.items()})
    await world.start_hosts()
    await world.put_text(*(case.encode(as_text(REQUESTS[name])) for name, case in CASES.items()))
    await world.until_gone({name: case.path for name, case in CASES.items()})
    await world.until_parked(1)

    assert {name: set(states) for name, states in world.told().items()} == {
        name: told(case.path) for name, case in CASES.items()
    }
    entries = await world.entries()
    reasons = {name: case.reason for name, case in CASES.items()}
    assert {name: entry.last_step.get("reason") for name, entry in entries.items()} == reasons
    assert all(event["data"].get("reason") == reasons[event["subject"]] for event in world.events)

    sent = {name: entry for name, entry in entries.items() if "ACCEPTED" in CASES[name].path}
    messages = await world.io.messages()
    assert {message["id"]: message["content"] for message in messages} == {
        entry.message_id: at_io(name) for name, entry in sent.items()
    }
    assert {message["id"]: message["feature_level_type"] for message in messages} == {
        entry.message_id: entry.feature_level_type for entry in sent.values()
    }
    [parked] = await world.all_parked()
    assert (parked.queue, parked.parked_id, parked.http_status) == (MESSAGE_SENDS, "refused", 400)
    assert parse_request(world.stores.parked.body_of(parked)) == parse_request(as_text(REQUESTS["refused"]))


async def test_time(world: World) -> None:
    """Nothing is sent before its `not_before`, and a change after a poll is published after the next poll."""
    await world.io.citizens({fiscal_code(1): {"read_status_unavailable": [{}]}, fiscal_code(2): READER})
    await world.start_hosts()
    start = (datetime.now(UTC) + timedelta(seconds=4)).replace(microsecond=0)
    await world.put(
        request("hidden", fiscal_code(1), **ADVANCED),
        request("unpaid", fiscal_code(2), **ADVANCED | PAYMENT),
        request("later", fiscal_code(3), not_before=start.isoformat()),
    )
    first = {
        "hidden": "SENDING ACCEPTED PROCESSED READ_UNAVAILABLE",
        "unpaid": "SENDING ACCEPTED PROCESSED READ",
        "later": "SENDING ACCEPTED",
    }
    await world.until_gone(first)
    await world.io.citizens({fiscal_code(1): READER, fiscal_code(2): PAYER})
    await world.make_due()
    then = {"hidden": f"{first['hidden']} READ", "unpaid": f"{first['unpaid']} PAID"}
    await world.until_gone(then)
    heard = {name: set(states) for name, states in world.told().items()}
    assert {name: heard[name] for name in then} == {name: told(path) for name, path in then.items()}
    [later] = [one for one in await world.io.messages() if one["fiscal_code"] == fiscal_code(3)]
    assert datetime.fromisoformat(later["accepted_at"]) >= start
