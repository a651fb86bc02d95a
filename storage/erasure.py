"""Erases everything of one person. docs/decisions/0022-erasure.md has the order and its reasons."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from contract.fiscal_code import hash_at_io
from storage.cipher import Undecipherable
from storage.documents import Documents
from storage.ledger import GIVEN_UP, REMINDED, WAITING, Entry, State, Step
from storage.parked import ParkedMessage
from storage.person import Person, blobs_of, document_of, request_id_of
from storage.queues import INPUT_QUEUES, POISON_QUEUES, SEND_QUEUES, poison
from storage.stores import Stores
from storage.table import Changed

ERASED: Final = "erased"
# Postino's own queues carry references, which hold no personal data.
_OF_REFERENCES: Final = (*SEND_QUEUES, *map(poison, SEND_QUEUES))
# A send may still need the documents that a request in one of these states names.
_UNSENT: Final = (*WAITING, *GIVEN_UP, State.SENDING, State.IN_DOUBT)
_NO_DOCUMENT: Final = "-erase"


class Obstacle(Exception):
    """Requests that prevent the erasure for now."""

    def __init__(self, request_ids: Collection[str]) -> None:
        super().__init__(self.__doc__)
        self.request_ids = sorted(request_ids)


class BeingSent(Obstacle):
    """A worker is sending a message to the person now, and its result is known within three minutes."""


class Doubtful(Obstacle):
    """Nobody knows whether a message to the person was sent. What could tell would be erased too."""


@dataclass(frozen=True)
class Found:
    """What is stored of a person.

    request_ids: with those of reminders that have not come yet. `notices`: the keyed hash of each, and
    whether requests of others carried it too. `other_forms`: how many messages are under other forms of the
    code. `unreadable`: how many parked bodies no key opens.
    """

    recipients: frozenset[str]
    entries: tuple[Entry, ...]
    request_ids: frozenset[str]
    contents: frozenset[str]
    notices: Mapping[str, bool]
    other_forms: int
    parked: tuple[ParkedMessage, ...] = ()
    unreadable: int = 0


@dataclass(frozen=True)
class Result:
    """How many of each were removed.

    hidden: queue messages that nobody can read now. `left`: what came while the erasure ran.
    """

    removed: Mapping[str, int]
    hidden: int
    left: int


class Erasure:
    """Finds and erases what is stored of one person."""

    def __init__(self, person: Person, stores: Stores, documents: Documents) -> None:
        self._person = person
        self._stores = stores
        self._documents = documents
        self._needed: set[str] = set()  # documents that requests to others name
        self._mine, self._others = self._digests(person.codes), self._digests(person.other_forms)

    async def find(self, known: Collection[str] = ()) -> Found:
        """Return what is stored of the person, and of the requests that are `known` to be theirs.

        Scans the tables. Raises Unanswered.
        """
        stores = self._stores
        recipients = {name: digest async for name, digest in stores.ledger.recipients()}
        read = [await stores.ledger.get(name) for name, digest in recipients.items() if digest in self._mine]
        entries = tuple(entry for entry in read if entry)
        names = frozenset({*known, *_names(entries)})
        contents = {entry.remote_content_id for entry in entries if entry.remote_content_id}
        found = Found(
            recipients=self._mine,
            entries=entries,
            request_ids=names,
            contents=frozenset(contents | await stores.remote_contents.of_recipients(self._mine)),
            notices=await stores.notices.of_requests(names),
            other_forms=sum(digest in self._others for digest in recipients.values()),
        )
        return await self._with_parked(found)

    def check(self, found: Found, *, force: bool) -> None:
        """Raise BeingSent, or Doubtful unless `force`. Without a worker, SENDING means in doubt."""
        sending = [entry for entry in found.entries if entry.state is State.SENDING]
        now = self._stores.clock()
        leased = [one.request_id for one in sending if one.lease_until and one.lease_until > now]
        if leased:
            raise BeingSent(leased)
        doubtful = [one for one in found.entries if one.state in (State.IN_DOUBT, State.SENDING)]
        if doubtful and not force:
            raise Doubtful([one.request_id for one in doubtful])

    async def check_documents(self) -> None:
        """Raise Unanswered if documents may not be removed. Removes one that does not exist."""
        await self._documents.delete(_NO_DOCUMENT)

    async def carry_out(self, found: Found, *, force: bool) -> Result:
        """Erase what was found. Idempotent, also after a crash anywhere.

        The ledger's rows go last: they lead to everything else. Raises BeingSent, Doubtful, LostRace,
        Unanswered.
        """
        self.check(found, force=force)
        await self._stop(found.entries)
        stopped = found.request_ids
        bodies, hidden = await self._take_from_queues(found)
        sent = {name for body in bodies if (name := request_id_of(body))}
        found = await self.find(found.request_ids | sent)
        self.check(found, force=force)
        await self._stop([entry for entry in found.entries if entry.request_id not in stopped])
        found = await self.find(found.request_ids)
        blobs = {blob for body in bodies for blob in blobs_of(body)}
        removed = {"messages": len(found.entries), "queued": len(bodies), **await self._remove(found, blobs)}
        for entry in found.entries:
            await self._stores.ledger.bury(entry)
        for name in found.request_ids:
            await self._stores.ledger.bury_ahead(name)
        # What workers have put that were in the middle of a step when their request was buried.
        await self._remove(await self.find(found.request_ids), set())
        after = await self.find(found.request_ids)
        return Result(removed, hidden, len(after.entries) + len(after.parked) + len(after.contents))

    def _digests(self, codes: Collection[str]) -> frozenset[str]:
        return frozenset(digest for code in codes for digest in self._stores.ledger.digests_of(code))

    async def _with_parked(self, found: Found) -> Found:
        mine: list[ParkedMessage] = []
        unreadable = 0
        async for message in self._stores.parked.all():
            try:
                body = self._stores.parked.body_of(message)
            except Undecipherable:
                body, unreadable = "", unreadable + (message.parked_id not in found.request_ids)
            if message.parked_id in found.request_ids or self._is_theirs(body, found):
                mine.append(message)
            else:
                self._needed |= blobs_of(body)
        return replace(found, parked=tuple(mine), unreadable=unreadable)

    def _is_theirs(self, body: str, found: Found) -> bool:
        """Return whether a body is the person's: a request, a reference, or a settlement of their notice."""
        document = document_of(body)
        if "fiscal_code" in document or not document:
            return self._person.owns(body)
        number = document.get("notice_number")
        own = [digest for digest, is_shared in found.notices.items() if not is_shared]
        is_their_notice = isinstance(number, str) and self._stores.notices.is_one_of(number, own)
        return is_their_notice or document.get("request_id") in found.request_ids or self._person.owns(body)

    async def _stop(self, entries: Collection[Entry]) -> None:
        """End what is not sent yet, so that no worker sends it. A crash before the event repeats it."""
        for entry in entries:
            if entry.state in WAITING:
                entry = await self._stores.ledger.advance(entry, Step(State.SKIPPED, ERASED))
            elif entry.state is State.SENDING:  # its worker died
                entry = await self._stores.ledger.advance(entry, Step(State.IN_DOUBT, "lease_over"))
            elif entry.last_step.get("reason") != ERASED:
                continue
            await self._stores.outcomes.publish(entry)

    async def _take_from_queues(self, found: Found) -> tuple[list[str], int]:
        """Remove the person's copies. Return their bodies, and how many messages of any body are hidden."""
        removed: list[str] = []
        hidden = 0

        def is_theirs(body: str) -> bool:
            theirs = self._is_theirs(body, found)
            self._needed |= set() if theirs else blobs_of(body)
            return theirs

        for queue in (*INPUT_QUEUES, *POISON_QUEUES):
            bodies, unseen = await self._stores.queues.sift(queue, is_theirs)
            removed += bodies
            hidden += 0 if queue in _OF_REFERENCES else unseen
        return removed, hidden

    async def _remove(self, found: Found, blobs: Collection[str]) -> dict[str, int]:
        """Remove everything that the ledger's rows lead to, and these documents. Return how many of each."""
        stores, names = self._stores, found.request_ids
        await self._remove_documents(found, blobs)
        for message in found.parked:
            with suppress(Changed):  # parked again meanwhile, and found again
                await stores.parked.remove(message)
        for digest in found.notices:
            with suppress(Changed):
                await stores.notices.forget(digest, names)
        indexes = (stores.due_index, stores.reminder_index, stores.retention.index)
        return {
            "parked": len(found.parked),
            "notices": len(found.notices),
            "remote_contents": len(found.contents),
            "due": sum([await index.forget(names) for index in indexes]),
            "reminder_days": sum([await stores.reminder_days.forget(one) for one in found.recipients]),
            "subscriptions": sum(
                [await stores.subscriptions.forget(hash_at_io(code)) for code in self._person.codes]
            ),
        }

    async def _remove_documents(self, found: Found, blobs: Collection[str]) -> None:
        """Remove remote contents with their documents, but none that a request to somebody else names."""
        named = {*blobs, *(blob for entry in found.entries for blob in self._blobs_of(entry))}
        if not named and not found.contents:
            return
        async for entry in self._unsent():
            if entry.request_id not in found.request_ids:
                self._needed |= self._blobs_of(entry)
        for content in found.contents:
            await self._stores.remote_contents.forget(content, self._documents, needed=self._needed)
        for blob in named - self._needed:
            await self._stores.remote_contents.remove_document(blob, self._documents)

    async def _unsent(self) -> AsyncIterator[Entry]:
        for state in _UNSENT:
            async for entry in self._stores.ledger.entries(state=str(state)):
                yield entry

    def _blobs_of(self, entry: Entry) -> set[str]:
        if not entry.remote_content_id or not entry.body:
            return set()
        try:
            content = self._stores.ledger.request_of(entry).remote_content
        except Undecipherable:  # its key was given up, so nobody can name its documents any more
            return set()
        return {attachment.blob for attachment in content.attachments} if content else set()


def _names(entries: Collection[Entry]) -> set[str]:
    """Return the ids of requests, and of their reminders: one may be on its way to the queue."""
    lines = [line for entry in entries for line in entry.history if line["what"] == REMINDED]
    return {entry.request_id for entry in entries} | {line["reminder"] for line in lines}
