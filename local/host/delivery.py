"""One delivery of a queue message: its lease, its invocation, its end.

It follows the storage queue extension. After a success the host deletes the message. After a failure the
message becomes visible again after visibilityTimeout; when maxDequeueCount is reached, its body goes to the
poison queue. A lost lease does not stop the function.
"""

import asyncio
import base64
import binascii
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.host.host_json import HostJson
from local.host.invocation import Invoker
from local.host.protos import TypedData
from local.host.queue_output import Wakes, send
from local.host.storage import Outage, cause
from local.host.waiting import happens_within
from local.host.worker import Function, Outcome

log = logging.getLogger(__name__)

_NOT_OURS_ANY_MORE = ("PopReceiptMismatch", "MessageNotFound", "QueueNotFound", "QueueBeingDeleted")


@dataclass(frozen=True)
class TriggerQueue:
    """The queue of a trigger, and the poison queue for messages that failed too often (None: none)."""

    client: QueueClient
    poison: QueueClient | None
    wakes: Wakes
    outage: Outage
    lease_seconds: int


class Delivery:
    """One dequeued message that `function` processes."""

    def __init__(
        self,
        message: QueueMessage,
        queue: TriggerQueue,
        function: Function,
        invoker: Invoker,
        options: HostJson,
    ) -> None:
        self._message = message
        self._text: str = message.content or ""
        self._receipt = message.pop_receipt or ""
        self._dequeue_count = message.dequeue_count or 0
        self._queue = queue
        self._function = function
        self._invoker = invoker
        self._options = options
        self._fields = {"function": function.name, "queue": queue.client.queue_name, "message_id": message.id}

    async def process(self) -> None:
        """Process the message. Return when storage has recorded its end, or when it is left to come back."""
        try:
            body = self._decoded()
        except (binascii.Error, ValueError):
            await self._to_poison("not base64, as host.json says it is")
            return
        if self._dequeue_count > self._options.max_dequeue_count:
            await self._to_poison("dequeued more than maxDequeueCount times")
            return
        async with self._renewed_lease():
            outcome = await invoke_with_body(
                self._invoker, self._function, body, trigger_metadata(self._message)
            )
        await self._complete(outcome)

    def _decoded(self) -> bytes:
        return (
            base64.b64decode(self._text, validate=True)
            if self._options.base64_messages
            else self._text.encode()
        )

    async def _complete(self, outcome: Outcome) -> None:
        if outcome.ok:
            await self._delete()
        elif self._queue.poison is None:
            log.warning(
                "no poison queue: the message becomes visible again when its lease expires",
                extra=self._fields,
            )
        elif self._dequeue_count >= self._options.max_dequeue_count:
            await self._to_poison("failed maxDequeueCount times")
        else:
            await self._settle(self._make_visible)

    async def _to_poison(self, reason: str) -> None:
        poison = self._queue.poison
        if poison is None:
            return
        # Send the raw text, so that an undecodable body arrives unchanged. It lives for the default 7 days.
        if await self._settle(lambda: send(poison, self._text, self._queue.wakes)):
            log.warning("message moved to the poison queue", extra={**self._fields, "reason": reason})
            self._invoker.counts[self._function.name].poison += 1
            await self._delete()

    async def _delete(self) -> None:
        client, message = self._queue.client, self._message
        await self._settle(lambda: client.delete_message(message.id, self._receipt))

    async def _make_visible(self) -> None:
        await self._queue.client.update_message(
            self._message.id, self._receipt, visibility_timeout=self._options.visibility_timeout
        )

    async def _settle(self, call: Callable[[], Awaitable[None]]) -> bool:
        """Record the end in storage; retry while the lease may last. Return whether it worked."""
        try:
            await self._queue.outage.outlast(call, patience=self._queue.lease_seconds)
        except AzureError as error:
            log.warning(
                "the message's end is not recorded: it may be delivered again",
                extra={**self._fields, "error": cause(error)},
            )
            return False
        return True

    @contextlib.asynccontextmanager
    async def _renewed_lease(self) -> AsyncIterator[None]:
        finished = asyncio.Event()
        renewal = asyncio.create_task(self._renew_until(finished))
        try:
            yield
        finally:
            finished.set()
            # Await the renewal, do not cancel it: if it is running, it changes the receipt for the delete.
            await renewal

    async def _renew_until(self, finished: asyncio.Event) -> None:
        lease = self._queue.lease_seconds
        wait = lease / 2
        while not await happens_within(finished, wait):
            try:
                renewed = await self._queue.client.update_message(
                    self._message.id, self._receipt, visibility_timeout=lease
                )
            except AzureError as error:
                if cause(error) in _NOT_OURS_ANY_MORE:
                    log.warning("lease lost: the message may run twice", extra=self._fields)
                    return
                self._queue.outage.failed(error)
                wait = lease / 10
            else:
                self._receipt = renewed.pop_receipt or ""
                self._queue.outage.over()
                wait = lease / 2


async def invoke_with_body(
    invoker: Invoker, function: Function, body: bytes, metadata: dict[str, TypedData]
) -> Outcome:
    """Invoke a queue function as the platform does: with text, or with bytes for data type BINARY."""
    if function.trigger.get("dataType") == "BINARY":
        return await invoker.invoke(function, TypedData(bytes=body), metadata)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        outcome = Outcome("the message is not UTF-8 text")
        invoker.record(function, outcome)
        return outcome
    overwrite_with_fields(metadata, text)
    return await invoker.invoke(function, TypedData(string=text), metadata)


def trigger_metadata(message: QueueMessage) -> dict[str, TypedData]:
    """Return the metadata that azure.functions.QueueMessage shows."""
    metadata = {
        "Id": TypedData(string=message.id),
        "PopReceipt": TypedData(string=message.pop_receipt),
        "DequeueCount": TypedData(json=str(message.dequeue_count)),
    }
    moments = {
        "InsertionTime": message.inserted_on,
        "ExpirationTime": message.expires_on,
        "NextVisibleTime": message.next_visible_on,
    }
    return metadata | {name: _moment(moment) for name, moment in moments.items() if moment}


def _moment(moment: datetime) -> TypedData:
    return TypedData(json=json.dumps(moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")))


def overwrite_with_fields(metadata: dict[str, TypedData], text: str) -> None:
    """Let top-level fields of a JSON body replace trigger metadata, ignoring case, as the platform does.

    A field "id" replaces QueueMessage.id (azure-functions-python-worker#1373). Arrays and nulls are skipped;
    numbers and booleans become text.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):  # not JSON, or nested too deeply: the body is only text
        return
    fields: dict[str, object] = body if isinstance(body, dict) else {}
    known = {name.lower(): name for name in metadata}
    for name, value in fields.items():
        if value is not None and not isinstance(value, list):
            metadata[known.get(name.lower(), name)] = _field(value)


def _field(value: object) -> TypedData:
    if isinstance(value, dict):
        return TypedData(json=json.dumps(value))
    return TypedData(string=str(value))
