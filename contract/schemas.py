"""Writes the JSON Schemas of the contract: `python -m contract.schemas`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from contract.outcome import Outcome, OutcomeData, State
from contract.request import MessageRequest
from contract.settlement import Settlement

DIRECTORY = Path(__file__).parent.parent / "docs" / "schemas"

_SIMPLEST_REQUEST = {
    "request_id": "anagrafe-2026-000123",
    "fiscal_code": "AAAAAA00A00A000A",
    "content": {
        "subject": "La tua carta d'identità è pronta",
        "markdown": "Puoi ritirare la carta d'identità allo sportello dell'anagrafe, in via Roma 1, "
        "dal lunedì al venerdì dalle 9 alle 13.",
    },
}
_FULL_REQUEST = {
    "request_id": "TARI:2026:000123",
    "service": "tributi",
    "fiscal_code": "AAAAAA00A00A000A",
    "feature_level_type": "ADVANCED",
    "content": {
        "subject": "TARI 2026: avviso da pagare",
        "markdown": "---\n"
        "it:\n"
        "  cta_1:\n"
        '    text: "Come si calcola"\n'
        '    action: "iohandledlink://https://www.comune.example.it/tari"\n'
        "---\n"
        "Puoi pagare la TARI 2026 da qui entro il 30 giugno. L'avviso riguarda l'abitazione di residenza.",
        "payment_data": {
            "amount": 12050,
            "notice_number": "301000000000000123",
            "invalid_after_due_date": False,
            "payee": {"fiscal_code": "01234567890"},
        },
        "due_date": "2026-06-30T23:59:59+02:00",
        "require_secure_channels": True,
    },
    "translations": {
        "en_GB": {
            "subject": "Waste tax 2026: notice to pay",
            "markdown": "You can pay the 2026 waste tax (TARI) from here by 30 June. "
            "The notice is about the home where you are resident.",
        }
    },
    "campaign": "TARI 2026",
    "not_before": "2026-05-04T07:00:00Z",
    "expires_at": "2026-06-30T21:59:59Z",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
_SETTLEMENTS = [
    {"notice_number": "301000000000000123", "paid_at": "2026-06-12T10:21:37+02:00"},
    {"request_id": "TARI:2026:000123"},
]
_REMINDED_REQUEST = {
    "request_id": "TARI:2026:000124",
    "service": "tributi",
    "fiscal_code": "AAAAAA00A00A000A",
    "feature_level_type": "ADVANCED",
    "content": _FULL_REQUEST["content"],
    "reminders": {
        "unread": {
            "after_days": 7,
            "times": 2,
            "days_between": 5,
            "subject": "TARI 2026: un avviso ti aspetta",
            "markdown": "A maggio ti abbiamo scritto della TARI 2026. Trovi l'avviso tra i tuoi messaggi: "
            "aprilo per sapere quanto e quando pagare.",
            "translations": {
                "en_GB": {
                    "subject": "Waste tax 2026: a notice waits for you",
                    "markdown": "In May we wrote to you about the 2026 waste tax (TARI). Open the notice "
                    "among your messages to see how much to pay, and when.",
                }
            },
        },
        "unpaid": {"days_before_due": [8, 1, 0]},
        "feature_level_type": "STANDARD",
    },
}
_OUTCOME = Outcome.of(
    OutcomeData(
        request_id="TARI:2026:000123",
        service="tributi",
        campaign="TARI 2026",
        feature_level_type="ADVANCED",
        state=State.READ,
        message_id="01JWCZ5V6Q4M3N2P1R0T9S8W7X",
        status="PROCESSED",
        read_status="READ",
        payment_status="NOT_PAID",
    ),
    time=datetime(2026, 5, 5, 9, 30, 1, tzinfo=UTC),
)


class _Draft202012(GenerateJsonSchema):
    """Names the dialect. Leaves out the titles, which only repeat the field names."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def generate(self, schema: Any, mode: JsonSchemaMode = "validation") -> dict[str, Any]:
        return {"$schema": self.schema_dialect, **super().generate(schema, mode)}


def schemas() -> dict[str, dict[str, Any]]:
    """Return every schema, with examples, by file name."""
    request = MessageRequest.model_json_schema(schema_generator=_Draft202012)
    settlement = Settlement.model_json_schema(schema_generator=_Draft202012)
    outcome = Outcome.model_json_schema(schema_generator=_Draft202012, mode="serialization")
    return {
        "message-request.schema.json": request
        | {"examples": [_SIMPLEST_REQUEST, _FULL_REQUEST, _REMINDED_REQUEST]},
        "message-settled.schema.json": settlement | {"examples": _SETTLEMENTS},
        "message-outcome.schema.json": outcome | {"examples": [json.loads(_OUTCOME.to_json())]},
    }


def as_text(schema: dict[str, Any]) -> str:
    """Return the text of a schema's file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (DIRECTORY / name).write_text(as_text(schema), encoding="utf-8")
