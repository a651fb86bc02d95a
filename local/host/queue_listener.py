"""Storage queue triggers: fetch a queue's messages and run a function on them, a bounded number at a time."""

import asyncio
import logging
import re

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueMessage

from local.host.delivery import Delivery, TriggerQueue, invoke_with_body
from local.host.errors import ConfigurationError
from local.host.host_json import HostJson
from local.host.invocation import Invoker
from local.host.protos import TypedData
from local.host.queue_output import QueueOutputs, Wakes, create
from local.host.storage import Outage
from local.host.waiting import Backoff, happens_within
from local.host.worker import Function

log = logging.getLogger(__name__)

_QUEUE_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
_POISON = "-poison"


class QueueListener:
    """The listener of one function. It fetches batchSize messages whenever newBatchThreshold or fewer run."""

    def __init__(
        self,
        function: Function,
        outputs: QueueOutputs,
        wakes: Wakes,
        invoker: Invoker,
        options: HostJson,
        lease: int,
    ) -> None:
        self.function = function
        self._queue = _trigger_queue(function, outputs, wakes, lease)
        self._invoker = invoker
        self._options = options
        self._running: set[asyncio.Task[None]] = set()

    async def prepare(self) -> None:
        """Create the queue and its poison queue. This is a convenience: the platform waits for them."""
        for queue in (self._queue.client, self._queue.poison):
            if queue is not None:
                await create(queue)

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`, then return when the last running message has ended."""
        backoff = Backoff(self._options.max_polling_interval)
        wake = self._queue.wakes.of(self._queue.client)
        async with asyncio.TaskGroup() as deliveries:
            while True:
                wake.clear()
                if stop.is_set():
                    return
                if messages := await self._receive():
                    backoff.reset()
                    await self._start(messages, deliveries)
                else:
                    await happens_within(wake, backoff.next_delay())

    async def run_now(self, text: str) -> None:
        """Run the function on `text` without a message, as the platform's admin endpoint does."""
        await invoke_with_body(
            self._invoker, self.function, text.encode(), {"QueueTrigger": TypedData(string=text)}
        )

    async def _receive(self) -> list[QueueMessage]:
        """Return one batch. During an outage it is empty, so that the listener backs off and continues."""
        pages = self._queue.client.receive_messages(
            messages_per_page=self._options.batch_size, visibility_timeout=self._queue.lease_seconds
        ).by_page()
        messages: list[QueueMessage] = []
        try:
            async for page in pages:
                messages = [message async for message in page]
                break  # each further page is another request
        except AzureError as error:
            self._queue.outage.failed(error)
        else:
            self._queue.outage.over()
        return messages

    async def _start(self, messages: list[QueueMessage], deliveries: asyncio.TaskGroup) -> None:
        for message in messages:
            delivery = Delivery(message, self._queue, self.function, self._invoker, self._options)
            task = deliveries.create_task(delivery.process())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        while len(self._running) > self._options.new_batch_threshold:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)


def _trigger_queue(function: Function, outputs: QueueOutputs, wakes: Wakes, lease: int) -> TriggerQueue:
    client = outputs.queue(function, function.trigger)
    name = client.queue_name
    if not _QUEUE_NAME.fullmatch(name):
        raise ConfigurationError(
            f'function {function.name}: "{name}" is not a queue name: 3-63 letters, digits, single hyphens'
        )
    poison = None
    if not name.endswith(_POISON) and _QUEUE_NAME.fullmatch(name + _POISON):
        poison = outputs.queue(function, {**function.trigger, "queueName": name + _POISON})
    outage = Outage(function=function.name, queue=name)
    return TriggerQueue(client, poison, wakes, outage, lease)
