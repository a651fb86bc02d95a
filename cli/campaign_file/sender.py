"""Puts the requests of a checked campaign on the queue: pass 2 of `postino send`."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Final

from cli.campaign_file.findings import Finding, Findings
from cli.campaign_file.journal import Journal
from cli.campaign_file.linter import Checked, fingerprint
from cli.campaign_file.row_request import RowRequests, RowResult
from contract.request import MessageRequest
from storage.ledger import Entry
from storage.queues import requests_queue
from storage.stores import Stores

# Puts in flight. The journal is written after each such batch.
AT_ONCE: Final = 32


class FileChanged(Exception):
    """The file has changed since it was checked: what follows was not checked."""


@dataclass
class Sent:
    """How far a campaign has come. `done` counts requests from the first row, those of earlier runs too."""

    total: int
    done: int = 0
    put: int = 0
    known: int = 0
    conflicts: Findings = field(default_factory=Findings)


@dataclass(frozen=True)
class Sender:
    """Sends requests in order. A request that the ledger knows already is not put again."""

    stores: Stores
    requests: RowRequests
    journal: Journal

    async def send(
        self,
        results: Iterator[RowResult],
        checked: Checked,
        sent: Sent,
        *,
        on_request: Callable[[], None] = lambda: None,
    ) -> None:
        """Put every request on the queue, and go on where the journal ends.

        Keeps `sent` up to date, so that an interrupted caller knows how far it came. Raises FileChanged,
        Unanswered.
        """
        sent.done = self.journal.done
        numbered = self._checked(results, checked)
        for batch in batched(numbered, AT_ONCE, strict=False):
            waiting = [(result, request) for number, result, request in batch if number >= self.journal.done]
            await self._put_all(waiting, sent)
            if waiting:
                sent.done = batch[-1][0] + 1
                self.journal.write(sent.done)
            for _ in waiting:
                on_request()
        if sent.done != sent.total:
            raise FileChanged(FileChanged.__doc__)

    def _checked(
        self, results: Iterator[RowResult], checked: Checked
    ) -> Iterator[tuple[int, RowResult, MessageRequest]]:
        for number, result in enumerate(results):
            request = result.request
            is_same = number < len(checked.fingerprints) and request is not None
            if not is_same or request is None or fingerprint(request) != checked.fingerprints[number]:
                raise FileChanged(FileChanged.__doc__)
            yield number, result, request

    async def _put_all(self, waiting: Sequence[tuple[RowResult, MessageRequest]], sent: Sent) -> None:
        # All of them end before an error is told: none may still be on its way when the command ends.
        answers = await asyncio.gather(
            *(self._put(request) for _, request in waiting), return_exceptions=True
        )
        for answer, (result, _) in zip(answers, waiting, strict=True):
            match answer:
                case BaseException():
                    raise answer
                case "put":
                    sent.put += 1
                case "known":
                    sent.known += 1
                case _:
                    place = self.requests.place_of("request_id")
                    sent.conflicts.add([Finding.of("id-conflitto", place, result.row.number)])

    async def _put(self, request: MessageRequest) -> str:
        match await self.stores.ledger.find(request.request_id):
            case None:
                await self.stores.queues.put(requests_queue(request.priority), request.to_json())
                return "put"
            case Entry() as entry if not self.stores.ledger.same_content(entry, request):
                return "conflict"
            case _:  # a tombstone too: the app would drop the request without a word to the operator
                return "known"
