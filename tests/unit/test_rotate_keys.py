"""Rotation of keys: every row is encrypted again, whatever crashes, and no digest changes."""

import asyncio
import json
import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

import storage
from contract.reminders import ReminderPolicy, UnreadReminders
from contract.remote_content import RemoteContent
from rotate_keys.rotate_keys import BUDGET
from storage.campaign_secrets import CampaignSecrets
from storage.cipher import Cipher, Undecipherable
from storage.index_key import IndexKey
from storage.key_checks import KeyChecks
from storage.key_rotation import QUIET, Rotation
from storage.ledger import State
from storage.readiness import Fault, NotReady, Readiness
from storage.sealed_rows import NO_KEY, SEALED
from storage.table import Row, Unanswered
from tests.fake_app import FakeApp
from tests.fakes import Died, seen
from tests.remote import kept_content
from tests.samples import BLOB, KEYS, NOTICE_NUMBER, a_body, payment, remote_content

OLD, NEW = KEYS
OLD_NAME, NEW_NAME = Cipher([OLD]).first_name, Cipher([NEW]).first_name
TICK = timedelta(minutes=5)
REQUESTS = 6


async def _filled() -> FakeApp:
    """An app with the old key that has rows in every table with encrypted columns."""
    app = FakeApp()
    await app.restart(OLD)
    for number in range(REQUESTS):
        await app.check(a_body(request_id=f"r-{number}"))
    await app.check(a_body(request_id="r-long", content={"subject": "S" * 120, "markdown": "è" * 10_000}))
    await app.accepted("r-accepted")
    await app.park(json.dumps({"request_id": "r-parked", "fiscal_code": "x" * 60_000}))
    content = RemoteContent.model_validate(remote_content(BLOB), strict=False)
    await app.remote_contents.keep(kept_content(app.cipher), content)
    await CampaignSecrets(app.tables["campaigns"], app.cipher).of("TARI 2026")
    await app.campaigns.stop("TARI 2026", "anna@comune")
    return app


async def _rotating() -> FakeApp:
    """The same app, whose hosts have started with the new key first, and whose rotation has begun."""
    app = await _filled()
    await app.restart(NEW, OLD)
    await app.stores.key_rotation.begin(NEW_NAME)
    return app


async def _rotation(app: FakeApp) -> Rotation:
    rotation = await app.stores.key_rotation.current()
    assert rotation
    return rotation


async def _end(app: FakeApp, ticks_at_most: int = 40) -> int:
    """Run ticks until the rotation ends; return how many."""
    for ticks in range(1, ticks_at_most):
        await app.rotate_keys()
        if (await _rotation(app)).ended_at:
            return ticks
        app.clock.advance(seconds=TICK.total_seconds())
    raise AssertionError(await _rotation(app))


def _rows(app: FakeApp, *tables: str) -> dict[tuple[str, str, str], Row]:
    names = tables or [table.name for table in SEALED]
    return {(name, *at): row for name in names for at, row in app.tables[name].rows_by_key.items()}


def _plain(app: FakeApp, cipher: Cipher) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Every row of the tables with encrypted columns, decrypted; the rows of the rotation are left out."""
    kept = {
        at: row for at, row in _rows(app).items() if at[:2] not in (("keys", "rotation"), ("keys", "keys"))
    }
    return {at: _opened(row, cipher) for at, row in kept.items()}


def _opened(row: Row, cipher: Cipher) -> dict[str, Any]:
    values = {name: value for name, value in row.values.items() if not isinstance(value, bytes)}
    texts = {name for name, value in row.values.items() if isinstance(value, bytes)}
    for text in {name.rstrip("0123456789") for name in texts}:
        pieces = sorted(name for name in texts if name.rstrip("0123456789") == text)
        values[text] = cipher.open(b"".join(row.values[name] for name in pieces))
    return values


async def test_every_row_is_encrypted_again() -> None:
    """After a rotation the new key alone opens every row, and nothing else has changed."""
    app = await _rotating()
    before = _plain(app, app.cipher)
    assert {at[0] for at in before} == {table.name for table in SEALED}
    await _end(app)
    assert _plain(app, Cipher([NEW])) == before
    await app.restart(NEW)
    for name in ("r-0", "r-long", "r-accepted"):
        app.ledger.fiscal_code_of(app.entry(name))


def test_every_module_that_encrypts_is_covered() -> None:
    """A module of storage that encrypts columns has its table among those of a rotation."""
    folder = Path(storage.__path__[0])
    sealing = {path.stem for path in folder.glob("*.py") if re.search(r"cipher\.seal", path.read_text())} - {
        "key_checks"
    }  # each of its rows stays under its own key, by which a missing key is found
    tables = {
        "index_key": "keys",
        "campaign_secrets": "campaigns",
        "ledger": "ledger",
        "parked": "parked",
        "remote_contents": "remotecontents",
    }
    assert {tables[name] for name in sealing} == {table.name for table in SEALED}


async def test_binary_columns_are_encrypted_ones() -> None:
    """No table outside a rotation has a binary column, and no encrypted text is of another type."""
    app = await _filled()
    others = set(app.tables) - {table.name for table in SEALED}
    assert not [at for at, row in _rows(app, *others).items() if _is_binary(row)]
    assert "gAAAA" not in repr([_text(row) for row in _rows(app, *app.tables).values()])


def _is_binary(row: Row) -> bool:
    return any(isinstance(value, bytes) for value in row.values.values())


def _text(row: Row) -> list[Any]:
    return [value for value in row.values.values() if not isinstance(value, bytes)]


async def test_old_key_is_needed_until_the_end() -> None:
    """A host without the old key takes no message before the rotation has ended, and names the key."""
    app = await _rotating()
    for _ in range(3):
        await app.rotate_keys()
        with pytest.raises(NotReady):
            await app.restart(NEW)
        table, cipher = app.tables["keys"], Cipher([NEW])
        faults = await Readiness(
            {"keys": table}, KeyChecks(table, cipher), IndexKey(table, cipher, [])
        ).faults()
        assert faults == [Fault("missing_key", OLD_NAME)]
        await app.restart(NEW, OLD)
        app.clock.advance(minutes=5)
    await _end(app)
    await app.restart(NEW)


@pytest.mark.parametrize("is_lost", [False, True], ids=["before", "answer"])
@pytest.mark.parametrize("error", [Died(), Unanswered()], ids=["crash", "storage"])
async def test_failure_at_any_step_is_made_up_for(error: BaseException, is_lost: bool) -> None:
    """Wherever a tick crashes or storage fails, the next ones encrypt every row, and the old key can go."""
    step = 0
    while True:
        app = await _rotating()
        before = _plain(app, app.cipher)
        fail = app.steps.fail_after if is_lost else app.steps.fail_before
        fail(error, skip=step)
        for _ in range(12):
            with suppress(Died, Unanswered):
                await app.rotate_keys()
            app.clock.advance(minutes=5)
        if app.steps.to_come:
            break
        await _end(app)
        assert _plain(app, Cipher([NEW])) == before
        await app.restart(NEW)
        step += 5
    assert step > 40


async def test_two_hosts_write_each_row_once() -> None:
    """Hosts whose timers fire together write each row once, and one of them stops."""
    app = await _rotating()
    before = _rows(app, "ledger")
    app.steps.done.clear()
    await asyncio.gather(*(app.rotate_keys() for _ in range(3)))
    for _ in range(12):
        await asyncio.gather(*(app.rotate_keys() for _ in range(3)))
        app.clock.advance(minutes=5)
    assert app.steps.done.count("ledger.replace") == len(before)
    assert (await _rotation(app)).ended_at


@pytest.mark.parametrize("step", range(4, 40, 4))
async def test_change_of_a_row_meanwhile_is_kept(step: int) -> None:
    """A change of a row at any step of a tick is kept, and the row is encrypted all the same."""
    app = await _rotating()
    at, row = next(iter(app.ledger_table.rows_by_key.items()))
    app.steps.do_before(lambda: _change(app, at), skip=step)
    await _end(app)
    changed = app.ledger_table.rows_by_key[at].values
    assert (changed["campaign"], Cipher([NEW]).open(changed["sealed_fiscal_code"])) == (
        "changed",
        Cipher([OLD]).open(row.values["sealed_fiscal_code"]),
    )


def _change(app: FakeApp, at: tuple[str, str]) -> None:
    app.ledger_table._put(*at, {**app.ledger_table.rows_by_key[at].values, "campaign": "changed"})


async def test_row_of_a_host_that_was_behind_is_found() -> None:
    """A row that a stopping host writes with the old key after the pass is encrypted by the next pass."""
    app = await _rotating()
    while (await _rotation(app)).passes == 1:
        await app.rotate_keys()
    old = Cipher([OLD])
    await app.tables["parked"].upsert("message-requests", "late", {"body0": old.seal(b"late")})
    await _end(app)
    assert (await _rotation(app)).passes == 3
    assert Cipher([NEW]).open(app.tables["parked"].rows_by_key["message-requests", "late"].values["body0"])


async def test_pass_after_the_last_write_comes_later() -> None:
    """The pass that ends a rotation begins only when no process can hold an old row any more."""
    app = await _rotating()
    began = app.clock()
    await _end(app)
    assert app.clock() - began >= QUIET


async def test_tick_ends_in_time_and_the_next_goes_on() -> None:
    """A tick that has no time for all rows stops, and the next ones go on from there."""
    app = await _rotating()
    before = _plain(app, app.cipher)
    app.tables["ledger"]._steps.do_before(lambda: app.clock.advance(seconds=BUDGET.total_seconds()), skip=12)
    await app.rotate_keys()
    rotation = await _rotation(app)
    assert (rotation.passes, rotation.table) == (1, "ledger")
    assert 0 < rotation.resealed < len(before)
    await _end(app)
    assert _plain(app, Cipher([NEW])) == before


async def test_no_rotation_costs_one_read() -> None:
    """While no rotation runs, and between two passes, a tick is one read."""
    app = await _filled()
    app.steps.done.clear()
    await app.rotate_keys()
    assert app.steps.done == ["keys.get"]
    await app.restart(NEW, OLD)
    await app.stores.key_rotation.begin(NEW_NAME)
    await app.rotate_keys()
    app.steps.done.clear()
    await app.rotate_keys()
    assert app.steps.done == ["keys.get"]
    await _end(app)
    app.steps.done.clear()
    await app.rotate_keys()
    assert app.steps.done == ["keys.get"]


async def test_host_with_another_first_key_waits(caplog: pytest.LogCaptureFixture) -> None:
    """A host whose ring does not begin with the new key writes nothing, and says why."""
    app = await _rotating()
    await app.restart(OLD, NEW)
    before = _rows(app)
    await app.rotate_keys()
    assert _rows(app) == before
    assert f"ENCRYPTION_KEYS does not begin with {NEW_NAME}" in caplog.text


async def test_rows_written_while_the_old_key_was_first_again_are_found() -> None:
    """A setting that goes back during the last pass, and forth again, leaves no row of the old key."""
    app = await _rotating()
    await app.rotate_keys()
    app.clock.advance(seconds=QUIET.total_seconds())
    app.tables["ledger"]._steps.do_before(lambda: app.clock.advance(seconds=BUDGET.total_seconds()), skip=8)
    await app.rotate_keys()
    rotation = await _rotation(app)
    assert (rotation.passes, rotation.is_clean, rotation.table != "") == (2, True, True)
    await app.restart(OLD, NEW)
    await CampaignSecrets(app.tables["campaigns"], app.cipher).of("IMU 2026")
    await app.rotate_keys()
    await app.restart(NEW, OLD)
    await _end(app)
    assert (await _rotation(app)).passes == 4
    assert _plain(app, Cipher([NEW]))


async def test_unreadable_row_stays_and_stops_nothing() -> None:
    """A row that no key opens stays as it is, is counted apart, and does not keep the old key in use."""
    app = await _rotating()
    damaged = {"body0": Cipher([SecretStr(Fernet.generate_key().decode())]).seal(b"lost")}
    await app.tables["parked"].upsert("message-requests", "lost", damaged)
    await _end(app)
    assert app.tables["parked"].rows_by_key["message-requests", "lost"].values == damaged
    (parked,) = (table for table in SEALED if table.name == "parked")
    assert (await app.stores.sealed_rows.count(parked))[NO_KEY] == 1


async def test_rows_are_counted_by_key() -> None:
    """The count tells how many rows each key opens, before and after."""
    app = await _rotating()
    before = [await app.stores.sealed_rows.count(table) for table in SEALED]
    assert {name for count in before for name in count} == {OLD_NAME}
    assert before[0].total() == 1
    await _end(app)
    after = [await app.stores.sealed_rows.count(table) for table in SEALED]
    assert [count[NEW_NAME] for count in after] == [count.total() for count in before]


async def test_rotation_that_runs_is_not_begun_again() -> None:
    """A repeated command finds the rotation that runs; after its end it begins another."""
    app = await _rotating()
    await app.rotate_keys()
    running = await _rotation(app)
    assert await app.stores.key_rotation.begin(NEW_NAME) == running
    await _end(app)
    assert (await app.stores.key_rotation.begin(NEW_NAME)).passes == 1


RINGS = {"old": [OLD], "both": [NEW, OLD], "new": [NEW]}


async def _at(app: FakeApp, ring: str) -> None:
    """Bring the account to this point of a rotation."""
    if ring == "old":
        return
    await app.restart(NEW, OLD)
    if ring == "new":
        await app.stores.key_rotation.begin(NEW_NAME)
        await _end(app)
        await app.restart(NEW)


@pytest.mark.parametrize("then", RINGS)
async def test_repeated_request_is_known(then: str) -> None:
    """A request that comes again under any ring is the same message; with other content it is refused."""
    app = await _filled()
    await app.run()
    sent = len(app.io.sent)
    await _at(app, then)
    await app.check(a_body(request_id="r-0"))
    await app.check(a_body(request_id="r-0", campaign="other"))
    await app.run()
    assert len(app.io.sent) == sent
    (conflict,) = [row for row in _rows(app, "parked").values() if row.values.get("reason") == "conflict"]
    assert conflict.key.startswith("body-") or conflict.key == "r-0"


@pytest.mark.parametrize("first", ["old", "both"])
@pytest.mark.parametrize("then", ["both", "new"])
async def test_settlement_meets_its_request(first: str, then: str) -> None:
    """A settlement by notice finds the requests of before a rotation, and those that come after it."""
    app = FakeApp()
    await app.restart(OLD)
    await _at(app, first)
    notice = {"feature_level_type": "ADVANCED", "content": payment()}
    await app.accepted("r-before", **notice)
    await _at(app, then)
    await app.settle(json.dumps({"notice_number": NOTICE_NUMBER, "paid_at": "2026-11-24T08:30:00Z"}))
    await app.check(a_body(request_id="r-after", **notice))
    await app.run()
    assert app.entry("r-before").settled_at
    assert app.entry("r-after").state is State.SKIPPED


@pytest.mark.parametrize("then", RINGS)
async def test_cap_of_the_citizen_holds(then: str) -> None:
    """A reminder that was sent under an earlier ring counts for the citizen's day."""
    app = FakeApp()
    await app.restart(OLD)
    app.most_per_day = 1
    app.policies = {"default": ReminderPolicy(unread=UnreadReminders(after_days=7))}
    app.io.status = seen("PROCESSED", "UNREAD")
    await app.accepted("r-1", feature_level_type="ADVANCED")
    app.clock.advance(hours=4)
    await app.accepted("r-2", feature_level_type="ADVANCED")
    app.clock.advance(days=6, hours=20)
    await app.remind()
    await _at(app, then)
    app.clock.advance(hours=4)
    await app.remind()
    asked = [json.loads(body)["request_id"] for body in app.queues.bodies("message-requests")]
    assert asked == ["r-1:unread-1"]
    app.clock.advance(days=1)
    await app.remind()
    assert len(app.queues.bodies("message-requests")) == 2


async def test_foreign_key_opens_nothing() -> None:
    """After the end, the old key opens no row: whoever has stolen it learns nothing from the tables."""
    app = await _rotating()
    await _end(app)
    stranger = Cipher([OLD])
    for row in _rows(app).values():
        for value in row.values.values():
            if isinstance(value, bytes):
                with pytest.raises(Undecipherable):
                    stranger.open(value)
