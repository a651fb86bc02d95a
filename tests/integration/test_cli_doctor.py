"""`postino doctor`, on a real storage account."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

import settings
from cli.connection import Operator, ask
from io_api import rate_limiter
from io_api.breakers import SEND_FAILURES
from io_api.errors import Misconfigured
from io_api.rate_budget import Budget
from io_api.suspensions import Key
from storage.account import StorageAccount
from storage.due_index import DueIndex
from storage.ledger import Ledger, State, Step
from tests.english import english_in
from tests.integration.cli_account import CliAccount
from tests.samples import a_request

FIRST = Key("default", "primary", SecretStr("a-key"))
SECOND = Key("default", "secondary", SecretStr("a-second-key"))
WRONG_KEY = Misconfigured(reason="invalid_key", status=401)


@pytest.fixture
def account(account: CliAccount, monkeypatch: pytest.MonkeyPatch) -> CliAccount:
    """An account whose service has two keys."""
    monkeypatch.setenv("IO_API_SECONDARY_KEY", "a-second-key")
    return account


def _examined(account: CliAccount, exit_code: int) -> dict[str, Any]:
    result = account.run("doctor", "--json")
    assert result.exit_code == exit_code
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def _refuse(key: Key, operation: str, error: Misconfigured) -> None:
    ask(lambda stores: stores.suspensions.open_circuit(key, operation, error))


def _lines(account: CliAccount) -> list[str]:
    return [line.rstrip() for line in account.run("doctor").stdout.splitlines()]


async def _write(budget: Budget) -> None:
    account = StorageAccount(settings.load())
    await account.table(rate_limiter.TABLE).upsert(
        rate_limiter.PARTITION, rate_limiter.BUDGET, budget.values()
    )
    await account.aclose()


def test_key_that_was_replaced(account: CliAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing key of ENCRYPTION_KEYS is reported first, and `keys forget` gives up a lost one."""
    ask(lambda stores: stores.key_checks.note())
    monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
    document = _examined(account, 1)
    (fault,) = document["storage"]
    assert (document["attention"], fault["kind"]) == (["storage"], "missing_key")
    assert fault["of"] in account.run("doctor").stdout

    assert account.run("keys", "forget", fault["of"]).exit_code == 0
    assert _examined(account, 1)["attention"] == ["storage"], "shown, and not done"
    assert account.run("keys", "forget", fault["of"], "--execute").exit_code == 0
    assert _examined(account, 0)["attention"] == []
    assert account.run("keys", "forget", "another", "--execute").exit_code == 1


def test_new_account_is_well(account: CliAccount) -> None:
    """On a new account nothing needs attention, and the exit code is 0."""
    document = _examined(account, 0)
    assert document["attention"] == []
    assert (document["pauses"], document["circuits"], document["parked"]) == ([], [], {})
    assert document["budget"] == {
        "limit": "150/5",
        "rate": 29.4,
        "highest_rate": 29.4,
        "cut_at": None,
        "ahead_seconds": 0.0,
        "slow": False,
    }
    assert _lines(account)[-1] == "Va tutto bene."


def test_pause_is_told_with_what_ends_it(account: CliAccount) -> None:
    """A pause needs attention, and the output has the command that ends it."""
    account.run("pause", "--service", "default")
    document = _examined(account, 1)
    assert document["attention"] == ["pauses"]
    assert [pause["service"] for pause in document["pauses"]] == ["default"]
    lines = _lines(account)
    assert any(line.endswith("postino resume --service default") for line in lines)
    assert lines[-1] == "Da guardare: le pause."


def test_refused_key_is_told_and_that_the_other_serves(account: CliAccount) -> None:
    """A refused key is shown with its reason and time, and with the fact that the other key is in use."""
    _refuse(FIRST, "get_profile", WRONG_KEY)
    (circuit,) = _examined(account, 1)["circuits"]
    assert (circuit["service"], circuit["key"], circuit["operation"]) == ("default", "primary", "*")
    assert (circuit["reason"], circuit["http_status"], circuit["other_key_works"]) == (
        "invalid_key",
        401,
        True,
    )
    assert circuit["at"] < circuit["probe_at"]
    (advice,) = (
        line for line in _lines(account) if line.startswith("Servizio default: IO non riconosce la chiave")
    )
    assert advice.endswith("Intanto si usa l'altra chiave.")


def test_two_refused_keys_stop_the_service(account: CliAccount) -> None:
    """When IO refuses both keys, one line says that messages wait."""
    for key in (FIRST, SECOND):
        _refuse(key, "get_profile", WRONG_KEY)
    assert {one["other_key_works"] for one in _examined(account, 1)["circuits"]} == {False}
    (advice,) = (
        line for line in _lines(account) if line.startswith("Servizio default: IO non riconosce la chiave")
    )
    assert advice.endswith("I messaggi aspettano, e ripartono da soli dopo una prova riuscita.")


def test_missing_permission_is_told_by_kind_of_call(account: CliAccount) -> None:
    """A 403 is shown with the kind of call that it suspends."""
    for key in (FIRST, SECOND):
        _refuse(key, "submit_message", Misconfigured(reason="no_valid_scopes", status=403))
    lines = [line.split("  ") for line in _lines(account) if line.startswith("default  ")]
    assert [[word.strip() for word in line if word][:5] for line in lines] == [
        ["default", name, "invio", "l'account non ha il permesso (no_valid_scopes)", "HTTP 403"]
        for name in ("primaria", "secondaria")
    ]


def test_keys_that_are_configured_no_more_are_left_out(
    account: CliAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The circuit of a key that is no longer configured is not shown."""
    _refuse(FIRST, "get_profile", WRONG_KEY)
    monkeypatch.setenv("IO_API_KEY", "a-new-key")
    assert _examined(account, 0)["circuits"] == []


def test_slow_rate_is_told_with_its_causes(account: CliAccount) -> None:
    """A rate that 429s lowered lately needs attention: another program calls IO, or the limit is lower."""
    now = time.time()
    asyncio.run(_write(Budget(rate=12, cut_at=now - 60, next_free=now + 20)))
    document = _examined(account, 1)
    assert document["attention"] == ["budget"]
    assert (document["budget"]["rate"], document["budget"]["ahead_seconds"]) == (12, pytest.approx(20, abs=5))
    assert any("un altro programma chiama IO con lo stesso account" in line for line in _lines(account))


def test_rate_that_was_cut_long_ago_is_no_alarm(account: CliAccount) -> None:
    """A rate that was lowered long ago needs no attention, because an idle rate does not rise."""
    asyncio.run(_write(Budget(rate=12, cut_at=time.time() - 7200)))
    assert _examined(account, 0)["budget"]["slow"] is False


def test_what_waits_for_an_operator_is_counted(account: CliAccount) -> None:
    """Parked messages and poison queues need attention; messages that wait on a queue do not."""
    account.put("message-requests", "{}")
    assert _examined(account, 0)["queues"]["message-requests"] == 1
    account.park("{}", reason="invalid")
    account.put("message-sends-poison", "{}")
    document = _examined(account, 1)
    assert document["attention"] == ["queues", "parked"]
    assert document["parked"] == {"invalid": 1}


def test_no_key_is_shown(account: CliAccount) -> None:
    """The output contains neither a key nor its fingerprint."""
    _refuse(FIRST, "get_profile", WRONG_KEY)
    shown = account.run("doctor").stdout + account.run("doctor", "--json").stdout
    assert "a-key" not in shown
    assert FIRST.fingerprint not in shown


def test_backend_that_fails_is_told(account: CliAccount) -> None:
    """An open circuit breaker is shown with its start while sends fail, and not after they succeed again."""

    async def fail(stores: Operator) -> None:
        for _ in range(SEND_FAILURES):
            await stores.breakers.record_failure("submit_message", limit=SEND_FAILURES)

    ask(fail)
    document = _examined(account, 1)
    assert document["attention"] == ["breakers"]
    (breaker,) = document["breakers"]
    assert (breaker["operation"], breaker["failures"]) == ("submit_message", SEND_FAILURES)
    assert breaker["opened_at"]
    assert any(line.startswith("IO non risponde a queste chiamate") for line in _lines(account))

    async def mend(stores: Operator) -> None:
        await stores.breakers.current("submit_message")
        await stores.breakers.record_success("submit_message")

    ask(mend)
    assert _examined(account, 0)["breakers"] == []


def _sent(
    service: str, *steps: str, days_ago: int = 0, message_id: str | None = "M1"
) -> Callable[[Operator], Awaitable[None]]:
    """Return an action that takes a service's request through these steps, at a time in the past."""

    async def send(stores: Operator) -> None:
        then = datetime.now(UTC) - timedelta(days=days_ago)
        past = Ledger(stores.ledger._table, stores.ledger._cipher, lambda: then)
        entry = await past.open(
            a_request(request_id="-".join((service, *steps, str(days_ago))), service=service)
        )
        for step in steps:
            entry = await past.advance(entry, Step(State(step)), message_id=message_id)

    return send


def _health(account: CliAccount) -> list[tuple[str, str, float]]:
    document = _examined(account, 1)
    assert document["attention"] == ["health"]
    return [(fact["topic"], fact["of"], fact["number"]) for fact in document["health"]]


def test_what_is_in_doubt_stuck_or_of_no_service_is_told(account: CliAccount) -> None:
    """Requests in doubt, stuck messages and requests of an unknown service are shown with their numbers."""
    ask(_sent("default", "SENDING", "IN_DOUBT"))
    ask(_sent("default", "SENDING", "ACCEPTED", days_ago=2))
    ask(_sent("default", "SENDING", "ACCEPTED"))
    ask(_sent("gone"))
    assert _health(account) == [("in_doubt", "", 1), ("stuck", "", 1), ("unknown_services", "gone", 1)]
    text = account.run("doctor").stdout
    assert "in-doubt list" in text
    assert "Va tutto bene" not in text


def test_message_without_an_id_of_io_is_not_stuck(account: CliAccount) -> None:
    """A request settled as accepted without IO's id is not followed, so nobody can be asked about it."""
    ask(_sent("default", "SENDING", "ACCEPTED", days_ago=2, message_id=None))
    assert _examined(account, 0)["health"] == []


def test_thresholds_are_the_institutions(account: CliAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """DOCTOR_THRESHOLDS sets the numbers from which doctor reports."""
    ask(_sent("default", "SENDING", "IN_DOUBT"))
    ask(_sent("default", "SENDING", "ACCEPTED", days_ago=2))
    monkeypatch.setenv("DOCTOR_THRESHOLDS", '{"in_doubt": 1, "accepted_hours": 72}')
    assert _examined(account, 0)["health"] == []
    monkeypatch.setenv("DOCTOR_THRESHOLDS", '{"in_doubt": 0, "accepted_hours": 47}')
    assert _health(account) == [("in_doubt", "", 1), ("stuck", "", 1)]


def test_what_is_late_is_told(account: CliAccount) -> None:
    """A lag of days and a timer that has not run for hours are each reported against their limit."""

    async def late(stores: Operator) -> None:
        then = datetime.now(UTC) - timedelta(days=3)
        past = DueIndex(stores.due_index._table, lambda: then)
        await past.release(await past.acquire(), None)
        await past.put("r-1", then)

    ask(late)
    assert _health(account) == [("behind", "check_status", 3.0), ("timers", "check_status", 4320.0)]


def test_register_that_lags_or_is_refused_is_told(
    account: CliAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feed that is days behind and one that IO does not give are reported; without the setting, neither."""
    today = datetime.now(UTC).date()

    async def follow(stores: Operator) -> None:
        feed = await stores.subscriptions.feed("default")
        assert await stores.subscriptions.take(feed, today - timedelta(days=4), [], [])
        refused = await stores.subscriptions.feed("tributi")
        since = datetime.now(UTC) - timedelta(days=2)
        assert await stores.subscriptions.refuse(refused, since, since + timedelta(days=4))

    ask(follow)
    assert _examined(account, 0)["health"] == []
    monkeypatch.setenv("IO_SERVICES", '{"tributi": {"key": "another"}}')
    monkeypatch.setenv("SUBSCRIPTIONS_FEED", "default,tributi")
    (lagging, service, days), refused = _health(account)
    assert (lagging, service, 2 <= days < 3.1) == ("feed", "default", True)
    assert refused == ("feed_refused", "tributi", 2.0)
    shown = account.run("doctor").stdout
    assert "registro degli iscritti, ritardo: default" in shown
    assert english_in(shown.replace("default", "")) == []


def test_documents_that_cannot_be_read(account: CliAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """With remote contents switched on, blobs that refuse are reported with the advice; off, nobody asks."""
    assert _examined(account, 0)["documents"] == []
    monkeypatch.setenv("REMOTE_CONTENT_API_KEY", "k" * 43)
    assert _examined(account, 0)["documents"] == [], "the container has still no document"
    connection = settings.load().storage_connection
    assert connection
    away = re.sub(r"(BlobEndpoint=http://127.0.0.1):\d+", r"\1:9", connection.get_secret_value())
    monkeypatch.setenv("AzureWebJobsStorage", away)
    document = _examined(account, 1)
    assert (document["attention"], document["documents"]) == (["documents"], [{"http_status": None}])
    shown = account.run("doctor").stdout
    assert "Il contenitore dei documenti non risponde: controlla lo storage account e la rete." in shown
