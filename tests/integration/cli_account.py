"""A storage account for `postino`: the settings in the environment, requests and failures."""

import uuid
from datetime import UTC, datetime
from typing import Any, Self

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result

from cli.connection import Operator, ask
from cli.main import app
from contract.remote_content import RemoteContent
from storage.ledger import Entry, State, Step
from storage.parked import ParkedMessage
from storage.remote_contents import KeptContent
from tests.samples import a_request


async def _start(stores: Operator) -> None:
    """Leave in storage what a host leaves there at its start."""
    await stores.key_checks.note()
    await stores.index_key.make()


class CliAccount:
    """Fills an account, and runs `postino` on it."""

    def __init__(self, connection_string: str, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("AzureWebJobsStorage", connection_string)
        environment.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
        environment.setenv("IO_API_KEY", "a-key")
        environment.setenv("IO_API_BASE_URL", "http://127.0.0.1:1/api/v1")  # nobody; no test calls IO itself

    def started(self) -> Self:
        """The account, after the app has started on it."""
        ask(_start)
        return self

    def run(self, *arguments: str, typed: str | None = None) -> Result:
        """Run `postino` with these arguments, and type an answer to its question."""
        return CliRunner().invoke(app, arguments, input=typed)

    def new_id(self) -> str:
        """A new id that no other test uses."""
        return f"TARI:2026:{uuid.uuid4().hex}"

    def requested(self, **fields: Any) -> Entry:
        """Record a request."""
        request = a_request(**{"request_id": self.new_id(), **fields})
        return ask(lambda stores: stores.ledger.open(request))

    def accepted(self, **fields: Any) -> Entry:
        """Take a request through to IO's acceptance as message M-1."""
        request = a_request(**{"request_id": self.new_id(), **fields})

        async def send(stores: Operator) -> Entry:
            claimed = await stores.ledger.commit(stores.ledger.intent(await stores.ledger.open(request)))
            return await stores.ledger.advance(
                claimed, Step(State.ACCEPTED, http_status=201), message_id="M-1"
            )

        return ask(send)

    def advance(self, entry: Entry, *steps: Step, **changes: Any) -> Entry:
        """Advance an entry by these steps."""
        return ask(lambda stores: stores.ledger.advance(entry, *steps, **changes))

    def keep(self, entry: Entry, content: RemoteContent, *, undeclared: int) -> None:
        """Keep the remote content of an entry."""
        kept = KeptContent(
            remote_content_id=entry.remote_content_id or "",
            request_id=entry.request_id,
            recipient=entry.recipient,
            since=datetime(2026, 11, 24, 9, 0, tzinfo=UTC),
            undeclared=undeclared,
        )
        ask(lambda stores: stores.remote_contents.keep(kept, content))

    def park(self, body: str, **columns: Any) -> ParkedMessage:
        """Park a message: by default from message-requests, invalid, and with a parked_id of its own."""
        now = datetime.now(UTC)
        usual = {"queue": "message-requests", "reason": "invalid", "first_at": now, "last_at": now}
        message = ParkedMessage(**{"parked_id": f"body-{uuid.uuid4().hex}", **usual, **columns})
        return ask(lambda stores: stores.parked.keep(message, body))

    def put(self, queue: str, body: str) -> None:
        """Put a message on a queue."""
        ask(lambda stores: stores.queues.put(queue, body))

    def release(self) -> None:
        """End every pause and close every circuit."""

        async def end_all(stores: Operator) -> None:
            suspensions = await stores.suspensions.current()
            for service in suspensions.pauses:
                await stores.suspensions.resume(service)
            for circuit in suspensions.circuits.values():
                await stores.suspensions.close_circuit(circuit)

        ask(end_all)
