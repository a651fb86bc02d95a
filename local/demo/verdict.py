"""Expected against actual results: on the outcomes queue, in the ledger, in the parked table, at IO."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.demo.cases import IN_DOUBT, Case
from storage.ledger import NOT_REMINDED, Entry, State
from storage.parked import ParkedMessage


@dataclass(frozen=True)
class Found:
    """The results of one case.

    `words` are its outcomes by state and reason, `at_io` the messages that IO holds for it, `opened` what the
    citizen sees of a message with a document.
    """

    case: Case
    words: Sequence[str]
    entry: Entry | None
    parked: Sequence[ParkedMessage]
    at_io: Sequence[Mapping[str, Any]] = field(repr=False)
    opened: Mapping[str, Any] | None = field(default=None, repr=False)

    def mistakes(self) -> list[str]:
        """Return a sentence for each result that is not as expected."""
        return [
            *self._among_the_outcomes(),
            *self._in_the_ledger(),
            *self._among_the_parked(),
            *self._at_io(),
            *self._in_the_app(),
        ]

    def _among_the_outcomes(self) -> Iterator[str]:
        if sorted(self.words) != sorted(self.case.expected):
            yield f"outcomes: expected {listed(self.case.expected)}; got {listed(self.words)}"

    def _in_the_ledger(self) -> Iterator[str]:
        expected, state = _ledger_state(self.case.expected), self.entry and self.entry.state
        if state != expected:
            yield f"ledger: expected {expected or 'no row'}; got {state or 'no row'}"
        if self.entry and self.entry.accepted_at and self.entry.accepted_at < self.entry.waiting_since:
            yield "sent before its not_before"
        reasons = [line["reason"] for line in _history(self.entry) if line["what"] == NOT_REMINDED]
        if reasons != [*self.case.not_reminded]:
            yield f"not reminded: expected {listed(self.case.not_reminded)}; got {listed(reasons)}"

    def _among_the_parked(self) -> Iterator[str]:
        expected = [word for word in self.case.expected if word.startswith("parked")]
        reasons = [f"parked ({message.reason})" for message in self.parked]
        if reasons != expected:
            yield f"parked table: expected {listed(expected)}; got {listed(reasons)}"
        fields = {violation.field for message in self.parked for violation in message.violations}
        if fields != self.case.violations:
            yield f"broken rules: expected {listed(self.case.violations)}; got {listed(fields)}"

    def _at_io(self) -> Iterator[str]:
        if len(self.at_io) != self.case.reaches_io:
            yield f"messages at IO: expected {int(self.case.reaches_io)}; got {len(self.at_io)}"
        for message in self.at_io:
            if message["subject"] != self.case.subject:
                yield f"subject at IO: expected {self.case.subject!r}; got {message['subject']!r}"
            recorded = self.entry and self.entry.message_id
            if self.case.expected != IN_DOUBT and recorded != message["id"]:
                yield f"message_id in the ledger: expected {message['id']}; got {recorded}"

    def _in_the_app(self) -> Iterator[str]:
        document = self.case.document
        if document is None:
            return
        seen = self.opened or {"error": "never opened", "subject": None, "attachments": []}
        expected = {
            "name": document.name,
            "status": 200,
            "bytes": len(document.content),
            "sha256": hashlib.sha256(document.content).hexdigest(),
        }
        got = [{name: one[name] for name in expected} for one in seen["attachments"]]
        if seen["error"] or got != [expected]:
            yield f"document in the app: expected {expected}; got {seen['error'] or got}"
        elif seen["subject"] != self.case.subject:
            yield f"subject in the app: expected {self.case.subject!r}; got {seen['subject']!r}"


@dataclass(frozen=True)
class Verdict:
    """The results of the whole run.

    `at_io` counts all messages that IO accepted, `deferrals` the deferred attempts by reason. `left_behind`
    counts the messages visible on the queues, `put_back` those that become visible later. `exposed` names the
    places that hold a fiscal code and must not.
    """

    found: Sequence[Found]
    at_io: int
    deferrals: Counter[str]
    expected_deferrals: Counter[str]
    left_behind: int
    put_back: int
    exposed: Sequence[str]
    outcomes: int
    seconds: float

    @property
    def duplicates(self) -> int:
        """The number of messages at IO that IO had already."""
        return sum(max(0, len(found.at_io) - 1) for found in self.found)

    @property
    def reminders(self) -> int:
        """The number of requests that are reminders, which Postino had to make."""
        return sum(found.case.is_reminder for found in self.found)

    @property
    def in_ledger(self) -> int:
        """The number of requests in the ledger."""
        return sum(found.entry is not None for found in self.found)

    def mistakes(self) -> list[str]:
        """Return a sentence for each mistake, with the request it concerns."""
        about = (
            f"{found.case.request_id or 'the body without id'} ({found.case.kind}): {mistake}"
            for found in self.found
            for mistake in found.mistakes()
        )
        return [*about, *self._of_the_whole()]

    def _of_the_whole(self) -> Iterator[str]:
        wanted = sum(found.case.reaches_io for found in self.found)
        if self.at_io != wanted:
            yield f"messages at IO: expected {wanted}; got {self.at_io}"
        if self.deferrals != self.expected_deferrals:
            yield f"tried again: expected {dict(self.expected_deferrals)}; got {dict(self.deferrals)}"
        if self.left_behind:
            yield f"{self.left_behind} messages wait on the queues; expected none"
        for place in self.exposed:
            yield f"{place} holds a fiscal code"


def listed(words: Collection[str]) -> str:
    """Return the words as text for people."""
    return ", ".join(words) or "nothing"


def _history(entry: Entry | None) -> Sequence[Mapping[str, Any]]:
    return entry.history if entry else ()


def _ledger_state(expected: Sequence[str]) -> State | None:
    """Return the last expected outcome that is a state of the ledger."""
    names = [word.partition(" ")[0].upper() for word in expected]
    return next((State(name) for name in reversed(names) if name in State), None)
