"""A checked campaign is put on the queue: once, whatever interrupts it."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from cli.campaign_file.campaign import CampaignFile
from cli.campaign_file.journal import Journal, OtherCampaign
from cli.campaign_file.linter import Checked, Linter
from cli.campaign_file.sender import FileChanged, Sender, Sent
from storage.campaign_secrets import CampaignSecret
from storage.queues import MESSAGE_REQUESTS, MESSAGE_REQUESTS_BULK
from storage.table import Unanswered
from tests.campaigns import (
    CAMPAIGN,
    HEADER,
    a_fiscal_code,
    a_notice_number,
    a_row,
    many_rows,
    opened,
    write_csv,
    write_template,
)
from tests.fake_app import FakeApp
from tests.fakes import Died, FakeClock
from tests.samples import personal_data_in

ROWS = 120


def _campaign(tmp_path: Path, rows: int = ROWS) -> CampaignFile:
    return opened(write_csv(tmp_path / "tari.csv", many_rows(rows)), write_template(tmp_path / "tari.md"))


def _checked(campaign: CampaignFile) -> Checked:
    checked = Linter(requests=campaign.requests, now=FakeClock().now).check(campaign.results())
    assert list(checked.findings) == []
    return checked


async def _send(app: FakeApp, campaign: CampaignFile, checked: Checked | None = None) -> Sent:
    """One run of the command after its check."""
    checked = checked or _checked(campaign)
    content = campaign.requests.secret.digest(checked.fingerprints.tobytes())
    sent = Sent(total=len(checked.fingerprints))
    sender = Sender(app.stores, campaign.requests, Journal.beside(campaign.path, CAMPAIGN, content))
    await sender.send(campaign.results(), checked, sent)
    return sent


def _ids(app: FakeApp) -> list[str]:
    return [json.loads(body)["request_id"] for body in app.queues.bodies(MESSAGE_REQUESTS_BULK)]


async def test_each_row_is_a_request(tmp_path: Path) -> None:
    """Each row is one request on the queue, with the values of the row in it."""
    app = FakeApp()
    sent = await _send(app, _campaign(tmp_path))
    assert (sent.done, sent.put, sent.known) == (ROWS, ROWS, 0)
    assert len(set(_ids(app))) == ROWS
    request = json.loads(app.queues.bodies(MESSAGE_REQUESTS_BULK)[7])
    assert request["fiscal_code"] == a_fiscal_code(7)
    assert request["content"]["payment_data"]["notice_number"] == a_notice_number(7)
    assert request["content"]["due_date"] == "2026-12-31T22:59:59Z"
    assert (request["campaign"], request["feature_level_type"]) == (CAMPAIGN, "ADVANCED")
    assert request["priority"] == "bulk"


async def test_urgent_row_does_not_wait_behind_the_campaign(tmp_path: Path) -> None:
    """A row says that it is urgent; every other row of a spreadsheet is bulk."""
    app = FakeApp()
    words = ("urgente", "massiva")
    rows = [(*row, word) for row, word in zip(many_rows(2), words, strict=True)]
    file = write_csv(tmp_path / "tari.csv", rows, (*HEADER, "priorita"))
    await _send(app, opened(file, write_template(tmp_path / "tari.md")))
    assert len(app.queues.bodies(MESSAGE_REQUESTS)) == len(app.queues.bodies(MESSAGE_REQUESTS_BULK)) == 1


@pytest.mark.parametrize("seed", range(6))
async def test_interrupted_anywhere_and_run_again(tmp_path: Path, seed: int) -> None:
    """Interrupted at random rows and run again until it ends, a file is exactly its requests.

    What was on its way at a cut may be on the queue twice. The ledger makes one message of it.
    """
    app, random_ = FakeApp(), random.Random(seed)
    campaign = _campaign(tmp_path)
    checked, cuts = _checked(campaign), 0
    for _ in range(3):
        fail = random_.choice([app.steps.fail_before, app.steps.fail_after])
        fail(random_.choice([Died(), Unanswered("", 500)]), skip=random_.randrange(ROWS))
        try:
            await _send(app, campaign, checked)
        except (Died, Unanswered):
            cuts += 1
    await _send(app, campaign, checked)
    assert cuts > 0
    assert len(set(_ids(app))) == ROWS
    assert len(_ids(app)) <= ROWS + cuts * 32
    await app.run()
    assert len(app.io.sent) == ROWS


async def test_same_file_again_puts_nothing(tmp_path: Path) -> None:
    """The journal beside the file says that all is on the queue, even before a host has taken it."""
    app = FakeApp()
    await _send(app, _campaign(tmp_path))
    again = await _send(app, _campaign(tmp_path))
    assert (again.done, again.put, len(_ids(app))) == (ROWS, 0, ROWS)


async def test_same_file_without_its_journal_puts_nothing(tmp_path: Path) -> None:
    """Without the journal the ledger says which requests it has."""
    app = FakeApp()
    await _send(app, _campaign(tmp_path, 20))
    await app.run()
    (tmp_path / "tari.csv.postino.json").unlink()
    again = await _send(app, _campaign(tmp_path, 20))
    assert (again.put, again.known, len(app.io.sent)) == (0, 20, 20)


async def test_buried_request_is_not_put(tmp_path: Path) -> None:
    """A row whose request was erased, or has ended, is told as known: a copy would be dropped in silence."""
    app = FakeApp()
    await _send(app, _campaign(tmp_path, 20))
    await app.run()
    (tmp_path / "tari.csv.postino.json").unlink()
    (buried, *_) = [entry async for entry in app.ledger.entries()]
    await app.ledger.bury(buried)
    again = await _send(app, _campaign(tmp_path, 20))
    assert (again.put, again.known, _ids(app)) == (0, 20, [])


async def test_longer_file_puts_what_is_new(tmp_path: Path) -> None:
    """A file with more rows is another content: the rows that were sent are known, the new ones leave."""
    app = FakeApp()
    await _send(app, _campaign(tmp_path, 20))
    await app.run()
    again = await _send(app, _campaign(tmp_path, 25))
    assert (again.put, again.known) == (5, 20)


async def test_changed_text_is_a_conflict(tmp_path: Path) -> None:
    """The same person and notice with another text is not sent again: the row is told."""
    app = FakeApp()
    await _send(app, _campaign(tmp_path, 3))
    await app.run()
    rows = list(many_rows(3))
    rows[1] = (rows[1][0], "Un altro nome", *rows[1][2:])
    again = await _send(app, opened(write_csv(tmp_path / "tari.csv", rows), tmp_path / "tari.md"))
    (conflict,) = again.conflicts
    assert (conflict.code, conflict.row, again.put, again.known) == ("id-conflitto", 3, 0, 2)


@pytest.mark.parametrize("change", ["cell", "shorter", "longer", "template"])
async def test_file_that_changes_after_the_check(tmp_path: Path, change: str) -> None:
    """What was not checked is not sent: the sending ends where the file differs."""
    app, campaign = FakeApp(), _campaign(tmp_path, 100)
    checked = _checked(campaign)
    rows = list(many_rows(100))
    if change == "cell":
        rows[70] = a_row(nome="Un altro nome")
    write_csv(campaign.path, {"shorter": rows[:70], "longer": [*rows, a_row()]}.get(change, rows))
    if change == "template":
        write_template(tmp_path / "tari.md", (tmp_path / "tari.md").read_text().replace("Gentile", "Cara"))
        campaign = opened(campaign.path, tmp_path / "tari.md")
    with pytest.raises(FileChanged):
        await _send(app, campaign, checked)
    assert len(_ids(app)) <= 100
    assert {*_ids(app)} <= {result.request.request_id for result in campaign.results() if result.request}


async def test_journal_holds_no_personal_data(tmp_path: Path) -> None:
    """The journal counts, and holds neither a person nor a hash of one that could be guessed."""
    path = write_csv(tmp_path / "tari.csv", [a_row()])
    campaign = opened(path, write_template(tmp_path / "tari.md"))
    checked = Linter(requests=campaign.requests, now=FakeClock().now).check(campaign.results())
    await _send(FakeApp(), campaign, checked)
    text = (tmp_path / "tari.csv.postino.json").read_text()
    assert personal_data_in(text) == []
    assert json.loads(text) == {"campaign": CAMPAIGN, "content": json.loads(text)["content"], "done": 1}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"campaign": "TARI 2026", "done": 3}', "\xe0"])
def test_journal_that_makes_no_sense_counts_nothing(tmp_path: Path, text: str) -> None:
    """A damaged journal, or one of another content, begins from the first row."""
    (tmp_path / "a.csv.postino.json").write_bytes(text.encode("latin-1"))
    assert Journal.beside(tmp_path / "a.csv", CAMPAIGN, "c").done == 0


def test_journal_of_another_campaign_is_not_taken_over(tmp_path: Path) -> None:
    """A sheet that was sent as one campaign is not sent as another; a journal that counts nothing is none."""
    journal = Journal.beside(tmp_path / "a.csv", CAMPAIGN, "c")
    journal.write(0)
    assert Journal.beside(tmp_path / "a.csv", "tari 2026", "d").done == 0
    journal.write(7)
    with pytest.raises(OtherCampaign) as raised:
        Journal.beside(tmp_path / "a.csv", "tari 2026", "d")
    assert (raised.value.campaign, raised.value.done) == (CAMPAIGN, 7)


def test_ids_tell_nothing_of_the_person(tmp_path: Path) -> None:
    """The id of a row has no personal data, and another secret gives another id."""
    campaign = opened(write_csv(tmp_path / "tari.csv", [a_row()]), write_template(tmp_path / "tari.md"))
    other = replace(campaign.requests, secret=CampaignSecret.temporary(CAMPAIGN))
    (row,) = [result.row for result in campaign.results()]
    requests = [requests.of(row).request for requests in (campaign.requests, campaign.requests, other)]
    first, same, different = [request.request_id for request in requests if request]
    assert first == same != different
    assert first.startswith("TARI_2026:")
    assert personal_data_in(first) == []


def test_own_id_is_kept(tmp_path: Path) -> None:
    """The column of ids is the id, below the campaign's name."""
    header = ("cf", "nome", "anno", "importo", "avviso", "scadenza", "id")
    path = write_csv(
        tmp_path / "tari.csv", [(*a_row(), 12)], ("cf", "nome", "anno", "importo", "nav", *header[5:])
    )
    campaign = opened(path, write_template(tmp_path / "tari.md"))
    (result,) = campaign.results()
    assert result.request
    assert result.request.request_id == "TARI_2026:12"
