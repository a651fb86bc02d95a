"""docs/privacy.md: every store of the code is in it, with every column."""

import re
from pathlib import Path

import pytest

from contract.fiscal_code import hash_at_io
from local.privacy import FILE, QUEUES, READERS, TABLES, WRITERS, page
from storage import audit, campaign_secrets, documents, key_checks, queues, readiness
from storage.audit import Audit
from storage.campaign_secrets import CampaignSecrets
from storage.campaign_spreads import CampaignSpreads, Kept
from storage.key_checks import KeyChecks
from storage.key_rotation import KeyRotation
from storage.periods import Periods
from tests.fake_app import FakeApp
from tests.fakes import FakeTable
from tests.samples import BLOB, FISCAL_CODE, PDF_A, a_body, payment, remote_content

PROJECT = Path(__file__).parents[2]
TEXT = FILE.read_text(encoding="utf-8")
DETAILS = {"i dettagli dell'azione": "rows", "le misure del ritmo": ""}


def test_file_is_that_of_the_code() -> None:
    """The file is what `make privacy` writes today."""
    assert page(TEXT) == TEXT
    assert "<!-- tabelle -->\n| tabella |" in TEXT


def test_every_table_is_in_it() -> None:
    """Each table of the code is described, and no other."""
    sources = [*PROJECT.glob("storage/*.py"), *PROJECT.glob("io_api/*.py")]
    found = {name for file in sources for name in re.findall(r'TABLE: Final = "(\w+)"', file.read_text())}
    assert set(TABLES) == found
    assert set(readiness.TABLES) <= found


def test_every_queue_and_the_container_are_in_it() -> None:
    """Each queue has a row, and those with personal data or outsiders are described one by one."""
    assert [name for name in queues.QUEUES if f"| coda `{name}` |" not in TEXT] == []
    assert f"| contenitore `{documents.CONTAINER}` |" in TEXT
    assert set(QUEUES) == set(queues.QUEUES) - set(queues.POISON_QUEUES)


def test_outsiders_are_those_of_the_infrastructure() -> None:
    """Who writes or takes from a queue, beside app and operators, is as the roles of access.bicep say."""
    access = (PROJECT / "infra/access.bicep").read_text()
    granted = dict(re.findall(r"queue: '([\w-]+)', role: 'Storage Queue Data Message (\w+)'", access))
    assert granted == {**dict.fromkeys(WRITERS, "Sender"), **dict.fromkeys(READERS, "Processor")}


def test_platform_keeps_no_copies_of_documents() -> None:
    """The page says that neither soft delete nor versions are on: storage.bicep sets neither."""
    text = (PROJECT / "infra/storage.bicep").read_text()
    assert not re.search("isVersioningEnabled|deleteRetentionPolicy|restorePolicy|changeFeed", text)


@pytest.fixture
async def app() -> FakeApp:
    """An app that has written each kind of row."""
    app = FakeApp(periods=Periods(documents=90))
    app.documents.blobs[BLOB] = PDF_A
    changes = {"reminders": {"unread": {"after_days": 1}}, "feature_level_type": "ADVANCED"}
    for name in ("r-1", "r-2"):
        await app.accepted(name, content=payment(), remote_content=remote_content(BLOB), **changes)
    await app.settle(f'{{"notice_number": "{payment()["payment_data"]["notice_number"]}"}}')
    await app.park(a_body(extra=1))
    for index in (app.due_index, app.reminder_index, app.retention.index):
        await index.release(await index.acquire(), None)
    await app.days.take("recipient", app.clock().date(), 1, reminder="r-3")
    feed = await app.subscriptions.feed("tributi")
    await app.subscriptions.take(feed, app.clock().date(), [hash_at_io(FISCAL_CODE)], [])
    feed = await app.subscriptions.feed("tributi")
    await app.subscriptions.refuse(feed, app.clock(), app.clock())
    await app.campaigns.stop("TARI", "anna@comune")
    await app.ledger.bury(app.entry("r-2"))
    for name in (audit.TABLE, key_checks.TABLE):
        app.tables[name] = FakeTable(name)
    await Audit(app.tables[audit.TABLE], "anna@comune", app.clock).record("send", "TARI", rows="3")
    await Audit(app.tables[audit.TABLE], "anna@comune", app.clock).forget_before(app.clock())
    await KeyChecks(app.tables[key_checks.TABLE], app.cipher).note()
    await KeyRotation(app.tables[key_checks.TABLE], app.clock).begin(app.cipher.first_name)
    await app.stores.counters.flush()
    await CampaignSpreads(app.tables[campaign_secrets.TABLE]).keep("TARI", Kept("5 giorni", (1, 2)))
    await CampaignSecrets(app.tables[campaign_secrets.TABLE], app.cipher).of("TARI")
    return app


async def test_every_column_is_in_it(app: FakeApp) -> None:
    """Each column that the app writes is described, sealed ones as sealed and no other as that."""
    for name, table in app.tables.items():
        store = TABLES[name]
        assert table.rows_by_key, name
        known = {DETAILS.get(column, column).removesuffix(", …") for column in store.columns}
        for row in table.rows_by_key.values():
            assert {*row.values} - known == set(), name
            sealed = {column for column, value in row.values.items() if isinstance(value, bytes)}
            assert sealed <= {column.removesuffix(", …") for column in store.sealed}, name
