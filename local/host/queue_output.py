"""Queue output bindings: the values that a function returns or sets become messages."""

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import Mapping

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from local.host.app_settings import resolve
from local.host.protos import TypedData
from local.host.storage import Accounts
from local.host.worker import Binding, Function, Outcome

_LOOKS_LIKE_JSON = re.compile(r"\s*(\{.*\}|\[.*\])\s*", re.DOTALL)


class Wakes:
    """Holds one event per queue, so that the host fetches its own messages at once, without a delay."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    def of(self, queue: QueueClient) -> asyncio.Event:
        return self._events.setdefault(queue.url, asyncio.Event())

    def all(self) -> None:
        for event in self._events.values():
            event.set()


async def send(queue: QueueClient, text: str, wakes: Wakes) -> None:
    """Put a message on a queue. Create the queue if it does not exist."""
    try:
        await queue.send_message(text)
    except ResourceNotFoundError:
        await create(queue)
        await queue.send_message(text)
    wakes.of(queue).set()


async def create(queue: QueueClient) -> None:
    with contextlib.suppress(ResourceExistsError):
        await queue.create_queue()


class QueueOutputs:
    """Sends the outputs of finished invocations."""

    def __init__(
        self, accounts: Accounts, environ: Mapping[str, str], wakes: Wakes, *, base64_messages: bool
    ) -> None:
        self._accounts = accounts
        self._environ = environ
        self._wakes = wakes
        self._base64 = base64_messages

    async def send(self, function: Function, outcome: Outcome) -> None:
        """Send the outputs. Raises AzureError if storage fails, ValueError if text only looks like JSON."""
        for binding in _queue_bindings(function):
            if data := outcome.outputs.get(binding["name"]):
                queue = self.queue(function, binding)
                for body in bodies(data):
                    await send(queue, self._encode(body), self._wakes)

    def check(self, function: Function) -> None:
        """Check the output queues at the start, before the first output. Raises ConfigurationError."""
        for binding in _queue_bindings(function):
            self.queue(function, binding)

    def queue(self, function: Function, binding: Binding) -> QueueClient:
        """Return a binding's queue. Raises ConfigurationError if it or its connection is not configured."""
        name = resolve(binding["queueName"], self._environ, where=f"function {function.name}").lower()
        return self._accounts.queues(binding.get("connection", "")).get_queue_client(name)

    def _encode(self, body: bytes) -> str:
        return base64.b64encode(body).decode() if self._base64 else body.decode()


def _queue_bindings(function: Function) -> list[Binding]:
    return [binding for binding in function.outputs if binding["type"] == "queue"]


def bodies(data: TypedData) -> list[bytes]:
    """Return the bodies of the messages that one output value becomes.

    The platform parses text that looks like JSON. An array becomes one message per item; an object becomes
    indented JSON (azure-functions-host#9581). Bytes stay unchanged.
    """
    if data.kind == "bytes":
        return [data.value]
    text = str(data.value)
    if data.kind != "json" and not _LOOKS_LIKE_JSON.fullmatch(text):
        return [text.encode()]
    parsed = json.loads(text)
    return [_text(item).encode() for item in (parsed if isinstance(parsed, list) else [parsed])]


def _text(item: object) -> str:
    return item if isinstance(item, str) else json.dumps(item, indent=2, ensure_ascii=False)
