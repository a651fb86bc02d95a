"""The index key: one for all hosts, whatever crashes, and none without the keyring."""

import asyncio
from contextlib import suppress

import pytest

from storage.cipher import Cipher, NoIndexKey
from storage.index_key import IndexKey
from storage.ledger import Ledger
from storage.readiness import Fault
from storage.table import Unanswered
from tests.fakes import Died, FakeClock, FakeTable
from tests.samples import KEYS, a_cipher, a_request
from tests.unit.test_intake import Process, Stores

PLAIN = b"RSSMRA80A01H501U"
OLD, NEW = KEYS


@pytest.fixture
def stores() -> Stores:
    return Stores()


async def _digest(process: Process) -> str:
    await process.readiness.check()
    return process.cipher.digest(PLAIN)


async def test_hosts_that_start_together_have_one_index_key(stores: Stores) -> None:
    """Of hosts that start on an empty account, one makes the key, and all make the same digests."""
    digests = await asyncio.gather(*(_digest(stores.process()) for _ in range(3)))
    assert len(set(digests)) == 1
    assert await _digest(stores.process()) == digests[0]


async def test_loser_of_the_race_uses_the_key_of_the_table(stores: Stores) -> None:
    """A host that is overtaken between its read and its insert uses what the table holds."""
    first, second = (Cipher(KEYS) for _ in range(2))
    overtaken = IndexKey(stores.keys, first, [])
    await overtaken.read()
    await IndexKey(stores.keys, second, []).make()
    await overtaken.make()
    assert first.digest(PLAIN) == second.digest(PLAIN)


@pytest.mark.parametrize("step", range(10))
@pytest.mark.parametrize("is_lost", [False, True], ids=["before", "answer"])
@pytest.mark.parametrize("error", [Died(), Unanswered()], ids=["crash", "storage"])
async def test_start_that_fails_anywhere_is_repeated(
    stores: Stores, step: int, is_lost: bool, error: BaseException
) -> None:
    """Wherever the first start fails, the next ones have one index key, and the account counts as new."""
    fail = stores.steps.fail_after if is_lost else stores.steps.fail_before
    fail(error, skip=step)
    with suppress(Died):
        await stores.process().readiness.holds()
    assert await _digest(stores.process()) == await _digest(stores.process())
    process = stores.process()
    await process.readiness.check()
    assert len(process.cipher.digests(PLAIN)) == 1
    assert stores.steps.to_come == 0


@pytest.mark.parametrize("keys", [[NEW, OLD], [OLD, NEW]])
async def test_rotation_keeps_the_digests(stores: Stores, keys: list[object]) -> None:
    """A host with another order of the ring makes the same digests."""
    before = await _digest(stores.process(OLD))
    assert await _digest(stores.process(*keys)) == before  # type: ignore[arg-type]


async def test_account_of_the_former_version_keeps_its_digests(stores: Stores) -> None:
    """Where rows were written before, their hashes under each key of the ring are still found."""
    former = a_cipher([OLD], Cipher([OLD]).former_hash_keys)
    entry = await Ledger(stores.ledger, former, FakeClock()).open(a_request())
    process = stores.process(NEW, OLD)
    await process.readiness.check()
    ledger = Ledger(stores.ledger, process.cipher, FakeClock())
    assert await ledger.open(a_request()) == entry
    digests = process.cipher.digests(a_request().fiscal_code.encode())
    assert (len(digests), digests[2]) == (3, entry.recipient)
    assert ledger.recipient_of(entry) == digests[0]


async def test_index_key_is_not_kept_in_the_clear(stores: Stores) -> None:
    """Nobody reads the index key from the table without a key of the ring, and no repr shows it."""
    process = stores.process(OLD)
    await process.readiness.check()
    stranger = Cipher([NEW])
    for row in stores.keys.rows_by_key.values():
        assert not [value for value in row.values.values() if not value.startswith(b"gAAAA")]
    with pytest.raises(NoIndexKey):
        stranger.digest(PLAIN)
    assert "_hash_keys" not in repr(process.cipher)


async def test_damaged_index_key_is_said(stores: Stores) -> None:
    """Without the index key no message is taken, and the fault says so; no other key takes its place."""
    await stores.process().readiness.check()
    await stores.keys.upsert("index", "index", {"sealed": b"damaged"})
    process = stores.process()
    await process.take("{}")
    assert process.taken == []
    assert await process.readiness.faults() == [Fault("index_key", "keys")]
    assert stores.keys.rows_by_key["index", "index"].values == {"sealed": b"damaged"}


async def test_faults_write_nothing(stores: Stores) -> None:
    """A look at the faults of a new account makes no index key."""
    assert await stores.process().readiness.faults() == []
    assert stores.keys.rows_by_key == FakeTable().rows_by_key
