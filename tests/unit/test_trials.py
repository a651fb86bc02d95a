"""Trials: messages with invented data to the institution's own people, through the running app."""

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.campaign_file.campaign import CampaignFile
from cli.campaign_file.findings import Unusable
from cli.campaign_file.sample import NOTICE, rounded_up, sample_columns, sample_row
from cli.campaign_file.template import Template
from cli.campaign_file.trial_requests import Trial, campaign_of_trials, sample_trials, trials_of_file
from cli.trials import Fate, await_fates, consent, put_trials
from io_api.errors import Refused
from io_api.models import Profile
from storage.ledger import State
from storage.queues import MESSAGE_REQUESTS, MESSAGE_REQUESTS_BULK
from tests.campaigns import (
    HEADER,
    TEMPLATE,
    a_fiscal_code,
    a_row,
    many_rows,
    opened,
    write_csv,
    write_template,
)
from tests.fake_app import FakeApp
from tests.fakes import seen

TODAY = date(2026, 11, 24)
TESTERS = [(1, "BNCLRA85M41F205X"), (2, "VRDGPP70A01H501Z")]
MINUTES = timedelta(minutes=15)


def _campaign(tmp_path: Path, text: str = TEMPLATE) -> CampaignFile:
    template = write_template(tmp_path / "tari.md", text)
    return opened(write_csv(tmp_path / "tari.csv", many_rows(5)), template)


def _trials(campaign: CampaignFile, recipients: Sequence[tuple[int, str]] = TESTERS) -> list[Trial]:
    requests = campaign.requests
    row = sample_row(requests.columns, requests.template, today=TODAY, cents=13_000)
    return sample_trials(requests, row, recipients)


def _running(app: FakeApp) -> Callable[[], Awaitable[None]]:
    """What passes between two looks: the app takes its messages, and the timer polls."""

    async def pause() -> None:
        await app.run()
        app.clock.advance(minutes=5)
        await app.follow()

    return pause


async def _tried(app: FakeApp, trials: Sequence[Trial]) -> list[Fate]:
    fates = await put_trials(trials, app.stores)
    return await await_fates(fates, app.stores, until=app.clock() + MINUTES, pause=_running(app))


async def test_no_data_of_a_citizen_is_in_a_trial(tmp_path: Path) -> None:
    """A trial has the campaign's text with invented values, and the fiscal code of its own recipient."""
    campaign = _campaign(tmp_path)
    bodies = [trial.request.to_json() for trial in _trials(campaign)]
    rows = [*many_rows(5)]
    for number, cell in ((1, "nome"), (0, "codice_fiscale"), (3, "importo"), (4, "numero_avviso")):
        assert not any(str(row[number]) in body for row in rows for body in bodies), cell
    request = _trials(campaign)[0].request
    assert request.fiscal_code == TESTERS[0][1]
    assert "Gentile Maria" in request.content.markdown
    assert request.content.payment_data
    assert (request.content.payment_data.notice_number, request.content.payment_data.amount) == (
        NOTICE,
        13_000,
    )


def test_sample_notice_can_be_nobodys() -> None:
    """The check digits of the sample's notice are wrong, so no creditor has issued it."""
    assert int(NOTICE[:16]) % 93 != int(NOTICE[16:])


@pytest.mark.parametrize(("cents", "up"), [(1, 1), (99, 99), (100, 100), (123_456, 130_000), (101, 110)])
def test_amount_of_a_trial_is_nobodys(cents: int, up: int) -> None:
    """The highest amount is rounded up to two digits: a limit of two digits takes both or neither."""
    assert rounded_up(cents) == up


async def test_trial_is_urgent_alone_and_reminds_nobody(tmp_path: Path) -> None:
    """A trial goes before the campaign, is counted in a campaign of its own, and has no reminders."""
    app, campaign = FakeApp(), _campaign(tmp_path)
    await put_trials(_trials(campaign), app.stores)
    assert app.queues.bodies(MESSAGE_REQUESTS_BULK) == []
    bodies: list[dict[str, Any]] = [json.loads(body) for body in app.queues.bodies(MESSAGE_REQUESTS)]
    assert [body["campaign"] for body in bodies] == ["TARI 2026 - prova"] * 2
    assert not any(name in body["reminders"] for body in bodies for name in ("unread", "unpaid"))
    assert not any(name in body for body in bodies for name in ("priority", "not_before", "expires_at"))


def test_longest_campaign_has_trials() -> None:
    """The name of the trials' campaign is valid for the longest campaign."""
    assert len(campaign_of_trials("a" * 128)) == 128


async def test_delivered(tmp_path: Path) -> None:
    """Trials are waited for until IO has processed each."""
    app = FakeApp()
    app.io.status = seen("PROCESSED")
    fates = await _tried(app, _trials(_campaign(tmp_path)))
    assert [(fate.is_delivered, fate.trial.recipient) for fate in fates] == [(True, 1), (True, 2)]
    assert len(app.io.sent) == 2


async def test_same_text_is_tried_once(tmp_path: Path) -> None:
    """The same trials again find what came of the first; a changed text is tried again."""
    app, campaign = FakeApp(), _campaign(tmp_path)
    app.io.status = seen("PROCESSED")
    await _tried(app, _trials(campaign))
    again = await _tried(app, _trials(campaign))
    assert (len(app.io.sent), all(fate.is_delivered for fate in again)) == (2, True)
    text = (tmp_path / "tari.md").read_text().replace("Gentile", "Buongiorno")
    await _tried(app, _trials(_campaign(tmp_path, text)))
    assert len(app.io.sent) == 4


async def test_trial_that_did_not_arrive_is_tried_again(tmp_path: Path) -> None:
    """After a remedy the same text is tried again, as another message."""
    app, trials = FakeApp(), _trials(_campaign(tmp_path))
    app.io.profile = Refused(reason="recipient_forbidden", status=403)
    refused = await _tried(app, trials)
    assert [fate.reason for fate in refused] == ["recipient_forbidden"] * 2
    app.io.profile, app.io.status = Profile(sender_allowed=True), seen("PROCESSED")
    fates = await _tried(app, trials)
    assert all(fate.is_delivered for fate in fates)
    assert {fate.request_id[-2:] for fate in fates} == {":2"}


async def test_buried_trial_is_tried_again(tmp_path: Path) -> None:
    """Of a trial of long ago only the tombstone is left: the same text is sent as another message."""
    app, trials = FakeApp(), _trials(_campaign(tmp_path), TESTERS[:1])
    app.io.status = seen("PROCESSED")
    (first,) = await _tried(app, trials)
    assert first.entry
    await app.ledger.bury(first.entry)
    (again,) = await _tried(app, trials)
    assert (again.is_delivered, again.request_id[-2:], len(app.io.sent)) == (True, ":2", 2)


async def test_trial_in_doubt_is_not_sent_again(tmp_path: Path) -> None:
    """A trial that IO may have received is never sent again by itself."""
    app, trials = FakeApp(), _trials(_campaign(tmp_path), TESTERS[:1])
    app.io.submitted = TimeoutError()
    await _tried(app, trials)
    (fate,) = await _tried(app, trials)
    assert fate.entry
    assert (fate.entry.state, fate.is_decided, len(app.io.sent)) == (State.IN_DOUBT, True, 1)


async def test_app_that_does_not_run_ends_the_wait(tmp_path: Path) -> None:
    """Without an app the wait ends at its limit, and nothing is known."""
    app = FakeApp()
    fates = await put_trials(_trials(_campaign(tmp_path)), app.stores)

    async def pause() -> None:
        app.clock.advance(minutes=5)

    fates = await await_fates(fates, app.stores, until=app.clock() + MINUTES, pause=pause)
    assert [(fate.entry, fate.is_decided) for fate in fates] == [(None, False)] * 2


async def test_trial_that_the_app_parks_is_told(tmp_path: Path) -> None:
    """A request that the app cannot take, such as one of a service it does not know, ends the wait."""
    app, trials = FakeApp(), _trials(_campaign(tmp_path), TESTERS[:1])
    unknown = replace(trials[0], request=trials[0].request.model_copy(update={"service": "anagrafe"}))
    (fate,) = await _tried(app, [unknown])
    assert (fate.is_decided, fate.is_delivered, fate.reason) == (True, False, "invalid")
    assert fate.document()["state"] is None


def _sample(tmp_path: Path, *rows: Sequence[object]) -> CampaignFile:
    return opened(write_csv(tmp_path / "prova.csv", rows), write_template(tmp_path / "tari.md"))


def test_file_of_invented_rows(tmp_path: Path) -> None:
    """Each row of a sample file goes to its own recipient, who is in the list."""
    sample = _sample(tmp_path, *(a_row(codice_fiscale=code, nome="Ada") for _, code in reversed(TESTERS)))
    trials = trials_of_file(sample, TESTERS, 2)
    assert [(one.recipient, one.request.fiscal_code) for one in trials] == [*reversed(TESTERS)]
    assert "Gentile Ada" in trials[0].request.content.markdown


@pytest.mark.parametrize(
    ("row", "wanted", "code"),
    [
        (a_row(codice_fiscale=a_fiscal_code(7)), 1, "prova-destinatario"),
        (a_row(codice_fiscale=TESTERS[0][1]), 2, "prova-poche-righe"),
        (a_row(codice_fiscale=TESTERS[0][1], importo="0"), 1, "importo-zero"),
    ],
)
def test_sample_file_that_is_refused(tmp_path: Path, row: Sequence[object], wanted: int, code: str) -> None:
    """The real file is no sample: a row for anyone but a test recipient is refused, and so is a wrong one."""
    with pytest.raises(Unusable) as raised:
        trials_of_file(_sample(tmp_path, row), TESTERS, wanted)
    assert [finding.code for finding in raised.value.findings] == [code]


def test_documents_of_citizens_are_not_tried(tmp_path: Path) -> None:
    """A campaign with a document for each citizen needs a sample file for its trial."""
    file = write_csv(tmp_path / "tari.csv", [(*a_row(), "tari/1.pdf")], (*HEADER, "allegato"))
    campaign = opened(file, write_template(tmp_path / "tari.md"))
    with pytest.raises(Unusable) as raised:
        _trials(campaign)
    assert [finding.code for finding in raised.value.findings] == ["prova-allegati"]


def test_template_alone_is_enough(tmp_path: Path) -> None:
    """Without any file a template is tried with the columns that it uses."""
    text = """---
oggetto: 'Rata {{ rata }} della mensa'
---
Gentile {{ cognome }}, la rata {{ rata }} è di {{ quota | oppure('0') | euro }}, entro il
{{ termine | data_lunga }}. {% if note %}{{ note | maiuscolo }}{% endif %} Grazie.
"""
    template = Template.load(write_template(tmp_path / "mensa.md", text))
    columns = sample_columns(template)
    requests = replace(_campaign(tmp_path).requests, columns=columns, template=template)
    (trial,) = sample_trials(requests, sample_row(columns, template, today=TODAY), TESTERS[:1])
    assert trial.request.content.markdown == (
        "Gentile Esempio, la rata esempio-rata è di 10,00 €, entro il\n31 dicembre 2026. "
        "ESEMPIO-NOTE Grazie.\n"
    )
    assert trial.request.content.payment_data is None


DELIVERED = "delivered"


def _fates(tmp_path: Path, *words: str) -> list[Fate]:
    app = FakeApp()
    (trial, *_) = _trials(_campaign(tmp_path))

    def fate(word: str) -> Fate:
        state = State.PROCESSED if word == DELIVERED else State.SKIPPED
        return Fate(trial, "r", replace(app.ledger._new(trial.request), state=state))

    return [fate(word) for word in words]


@pytest.mark.parametrize(
    ("fates", "yes", "answer", "goes_on"),
    [
        ([DELIVERED, DELIVERED], True, None, True),
        ([DELIVERED, "skipped"], True, "s", False),
        ([DELIVERED, "skipped"], False, "s", True),
        (["skipped"], False, "s", False),
        ([DELIVERED], False, "", False),
        ([DELIVERED], False, "N", False),
        ([DELIVERED], False, " Sì\n", True),
        ([DELIVERED], False, None, False),
    ],
)
def test_campaign_goes_on_only_with_consent(
    tmp_path: Path, fates: list[str], yes: bool, answer: str | None, goes_on: bool
) -> None:
    """The default is no; --yes needs every trial delivered; without a terminal nobody consents."""
    questions: list[str] = []

    def read(question: str) -> str:
        questions.append(question)
        return answer or ""

    refused = nullcontext() if goes_on else pytest.raises(typer.Exit)
    with refused:
        consent(_fates(tmp_path, *fates), "Invio?", yes=yes, read=None if answer is None else read)
    assert len(questions) == (answer is not None and not yes and DELIVERED in fates)


def test_ctrl_c_at_the_question_sends_nothing(tmp_path: Path) -> None:
    """Ctrl-C is no consent."""

    def interrupted(question: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as ended:
        consent(_fates(tmp_path, DELIVERED), "Invio?", yes=False, read=interrupted)
    assert ended.value.exit_code == 130


def test_question_is_asked_at_a_terminal() -> None:
    """At a terminal the operator reads the question and writes the answer; elsewhere nobody is asked."""
    outside, inside = os.openpty()
    source = "from cli.trials import terminal\nprint('answer', terminal()('Invio? '))"
    command = [sys.executable, "-c", source]
    with subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside) as process:
        os.write(outside, "sì\n".encode())
        process.wait(60)
    said = os.read(outside, 1000).decode()
    os.close(inside)
    os.close(outside)
    assert "Invio? " in said
    assert "answer sì" in said


def test_recipient_is_asked_beside_the_json() -> None:
    """The question for a test recipient goes to standard error, and takes a code as people write it."""
    outside, inside = os.openpty()
    source = (
        "from types import SimpleNamespace\nfrom cli.try_template import _recipient\n"
        "print(_recipient(SimpleNamespace(test_recipients=[]), 1))"
    )
    command = [sys.executable, "-c", source]
    with subprocess.Popen(
        command,
        stdin=inside,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stderr
        errors = process.stderr.fileno()
        asked = b""
        for more in iter(lambda: os.read(errors, 1000), b""):
            asked += more
            if asked.endswith(b": "):  # from then on nothing is echoed
                break
        os.write(outside, b"bnc lra 85m41 f205x\n")
        said, _ = process.communicate(timeout=60)
    os.close(inside)
    os.close(outside)
    assert "Codice fiscale del destinatario di prova" in asked.decode()
    assert said.decode() == f"{TESTERS[0][1]}\n"
