"""Gathers the evidence of every part after the demo has run."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.demo.cases import Case, reference_in
from local.demo.play import EXPECTED_DEFERRALS, Play
from local.demo.sample import Sample
from local.demo.simulated_io import SimulatedIo
from local.demo.verdict import Found, Verdict
from settings import Settings
from storage import ledger, parked
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.ledger import Entry, Ledger
from storage.parked import Parked, ParkedMessage

type ByRequest[Thing] = Mapping[str | None, Thing]


@dataclass(frozen=True)
class Stores:
    """The records that Postino wrote."""

    ledger: Ledger
    parked: Parked


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[Stores]:
    """Open the stores of the storage account that the settings name."""
    account, cipher = StorageAccount(settings), Cipher(settings.encryption_keys)
    try:
        yield Stores(
            Ledger(account.table(ledger.TABLE), cipher, lambda: datetime.now(UTC)),
            Parked(account.table(parked.TABLE), cipher),
        )
    finally:
        await account.aclose()


async def gather(sample: Sample, play: Play, stores: Stores, io: SimulatedIo, logs: Path) -> Verdict:
    """Return the verdict on a play. `logs` is the folder of its logs."""
    entries, parked_ones, at_io = (
        await _entries(sample, stores),
        await _parked(stores),
        await _at_io(io, sample),
    )
    return Verdict(
        found=[
            Found(
                case=case,
                words=play.words(case),
                entry=entries.get(case.request_id),
                parked=parked_ones.get(case.request_id, []),
                at_io=at_io.get(case.request_id, []),
                opened=await _opened(io, case, at_io),
            )
            for case in sample.cases
        ],
        at_io=sum(map(len, at_io.values())),
        deferrals=_deferrals([entries[case.request_id] for case in sample.delayed]),
        expected_deferrals=EXPECTED_DEFERRALS,
        left_behind=play.left_behind,
        put_back=play.put_back,
        exposed=_exposed(sample, play, logs),
        outcomes=sum(map(len, play.outcomes.values())),
        seconds=play.seconds,
    )


async def _entries(sample: Sample, stores: Stores) -> ByRequest[Entry | None]:
    named = [case.request_id for case in sample.cases if case.request_id]
    return {request_id: await stores.ledger.get(request_id) for request_id in named}


async def _parked(stores: Stores) -> ByRequest[list[ParkedMessage]]:
    messages: defaultdict[str | None, list[ParkedMessage]] = defaultdict(list)
    async for message in stores.parked.headers():
        messages[message.request_id].append(message)
    return messages


async def _at_io(io: SimulatedIo, sample: Sample) -> ByRequest[list[Mapping[str, Any]]]:
    reminders = {case.fiscal_code: case.request_id for case in sample.cases if case.is_reminder}
    messages: defaultdict[str | None, list[Mapping[str, Any]]] = defaultdict(list)
    for message in await io.messages():
        reference = reference_in(message["content"]["markdown"])
        messages[reference or reminders.get(message["fiscal_code"])].append(message)
    return messages


async def _opened(
    io: SimulatedIo, case: Case, at_io: ByRequest[list[Mapping[str, Any]]]
) -> Mapping[str, Any] | None:
    """Return what the citizen sees of a message with a document."""
    messages = at_io.get(case.request_id, []) if case.document else []
    return await io.open(messages[0]["id"]) if messages else None


def _deferrals(entries: list[Entry | None]) -> Counter[str]:
    """Count how often requests were deferred, by reason. The ledger keeps a repeated one as a count."""
    counts: Counter[str] = Counter()
    for step in (step for entry in entries if entry for step in entry.history):
        if step["what"] == "DEFERRED":
            counts[step["reason"]] += step.get("times", 1)
    return counts


def _exposed(sample: Sample, play: Play, logs: Path) -> list[str]:
    """Return the places that wrongly hold a fiscal code of the sample, in upper or lower case."""
    texts = {str(log): log.read_text(errors="replace") for log in sorted(logs.glob("*.log"))}
    texts["an outcome"] = "\n".join(one.to_json() for known in play.outcomes.values() for one in known)
    codes = {case.fiscal_code for case in sample.cases}
    return [place for place, text in texts.items() if any(code in text.upper() for code in codes)]
