"""The alerts: each query fires on rows that call for somebody, and on no others."""

import re
from typing import Any

import pytest

from tests.bicep import BicepFile
from tests.kql.evaluator import rows_of
from tests.kql.queries import ALERTS, PROJECT, queries

DECLARED = BicepFile(PROJECT / "infra/alerts.bicep").of_kind("var")["alerts"]
NAMES = sorted(path.stem for path in ALERTS.glob("*.kql"))
DAY = 86_400.0


def metric(name: str, value: float, count: int = 1, **attributes: str) -> dict[str, Any]:
    """A row as Azure Monitor's exporter writes it (Learn, "AppMetrics")."""
    values = {"Sum": value, "Min": value, "Max": value, "ItemCount": count}
    return {"table": "AppMetrics", "Name": f"postino.{name}", "Properties": attributes, **values}


def calls(number: int, status: str) -> dict[str, Any]:
    return metric("io.calls", number, call="POST /messages", status=status)


def put(queue: str, operation: str = "PutMessage") -> dict[str, Any]:
    uri = f"https://st.queue.core.windows.net:443/{queue}/messages?visibilitytimeout=0"
    return {"table": "StorageQueueLogs", "OperationName": operation, "Uri": uri}


def age(seconds: float, queue: str) -> dict[str, Any]:
    return metric("queue.oldest_age", seconds, queue=queue)


def outcome(state: str) -> dict[str, Any]:
    return metric("outcomes", 1, state=state, service="default")


def suspended(reason: str) -> dict[str, Any]:
    return metric("io.suspended", 1, service="default", operation="submit_message", reason=reason)


def denials(number: int, cause: str) -> dict[str, Any]:
    return metric("remote_content.denials", number, cause=cause)


def timers(**ages: float) -> list[dict[str, Any]]:
    return [metric("timer.last_run.age", age, timer=timer) for timer, age in ages.items()]


SENDS, POISON = "message-sends", "message-sends-poison"
ALL_RUN: dict[str, float] = {
    **{"check_status": 30, "remind": 600, "measure_backlog": 5},
    **{"expire": 1700, "follow_subscriptions": 1700, "rotate_keys": 90},
}

FIRES: dict[str, list[list[dict[str, Any]]]] = {
    "poison": [[put(POISON)], [put(SENDS), put("message-requests-poison")]],
    "in-doubt": [[outcome("accepted"), outcome("in_doubt")]],
    "oldest-age": [[age(3601, SENDS)], [age(10, "message-requests"), age(4000, SENDS)]],
    "unauthorized": [[calls(1, "401"), calls(99, "201")], [calls(1, "403")]],
    "too-many-requests": [[calls(18, "201"), calls(2, "429")]],
    "no-success": [[calls(1, "timeout")], [calls(5, "503"), calls(3, "429")]],
    "days-behind": [[metric("due.lag", DAY + 1, index="due"), metric("due.lag", 0, index="reminders")]],
    "circuit-open": [[suspended("invalid_key")], [suspended("io_unavailable"), suspended("paused")]],
    "timers-silent": [
        [],
        timers(**{name: age for name, age in ALL_RUN.items() if name != "measure_backlog"}),
        timers(**ALL_RUN | {"check_status": 3700}),
    ],
    "old-poison": [[age(5 * DAY + 1, POISON)], [age(5 * DAY + 1, POISON), age(0, "message-requests-poison")]],
    "remote-content-denied": [[denials(20, "key")], [denials(12, "recipient"), denials(8, "recipient")]],
}
SILENT: dict[str, list[list[dict[str, Any]]]] = {
    "poison": [[], [put(SENDS)], [put(POISON, "GetMessages")], [put("message-requests")]],
    "in-doubt": [[], [outcome("accepted"), outcome("parked")]],
    "oldest-age": [
        [],
        [age(3600, SENDS)],
        [age(9 * DAY, POISON), age(9 * DAY, "message-requests-bulk")],
        [age(4000, SENDS), age(0, SENDS)],
    ],
    "unauthorized": [[], [calls(50, "201"), calls(3, "404"), calls(1, "429")]],
    "too-many-requests": [[], [calls(19, "429")], [calls(95, "201"), calls(5, "429")]],
    "no-success": [[], [calls(50, "503"), calls(1, "201")], [calls(1, "404")]],
    "days-behind": [[], [metric("due.lag", DAY, index="due")]],
    "circuit-open": [[], [suspended("paused")]],
    "timers-silent": [
        timers(**ALL_RUN),
        [
            *timers(**ALL_RUN),
            *timers(check_status=9999),
        ],
    ],
    "old-poison": [[], [age(4 * DAY, POISON)], [age(6 * DAY, SENDS)]],
    "remote-content-denied": [[], [denials(19, "key"), denials(19, "id")], [denials(99, "malformed")]],
}


def fires(alert: str, rows: list[dict[str, Any]]) -> bool:
    tables = {
        name: [row for row in rows if row["table"] == name] for name in ("AppMetrics", "StorageQueueLogs")
    }
    return bool(rows_of(queries()[alert].tree, tables))


@pytest.mark.parametrize("alert", NAMES)
def test_fires(alert: str) -> None:
    """What an alert is for makes it fire."""
    assert [fires(alert, rows) for rows in FIRES[alert]] == [True] * len(FIRES[alert])


@pytest.mark.parametrize("alert", NAMES)
def test_stays_silent(alert: str) -> None:
    """No rows (silent timers apart), rows just below a threshold and rows of something else fire nothing."""
    assert [fires(alert, rows) for rows in SILENT[alert]] == [False] * len(SILENT[alert])


def test_each_query_is_kql() -> None:
    """Kusto's language service finds no mistake in an alert or in the workbook, and no unknown column."""
    assert {name: query.mistakes for name, query in queries().items() if query.mistakes} == {}
    assert len(queries()) > len(NAMES) + 10


def test_each_query_is_deployed_under_its_name() -> None:
    """alerts.bicep has every file, and each alert the file of its own name."""
    pairs = re.findall(r"name: '([\w-]+)'.*?loadTextContent\('alerts/([\w-]+)\.kql'\)", DECLARED.text, re.S)
    assert sorted(pairs) == [(name, name) for name in NAMES]


@pytest.mark.parametrize("language", ["", ".it"])
def test_each_alert_is_in_the_runbook(language: str) -> None:
    """The link of an alert's description leads to a heading, in both languages, that says what to do."""
    text = (PROJECT / f"docs/runbook{language}.md").read_text()
    assert [name for name in NAMES if f"\n### {name}\n" not in text] == []


def _texts(node: dict[str, Any], kind: str) -> set[str]:
    below = {text for child in node.get("children", []) for text in _texts(child, kind)}
    return below | {_text(node) for _ in [0] if node["kind"] == kind}


def _text(node: dict[str, Any]) -> str:
    return str(node["text"]) if "text" in node else "".join(_text(child) for child in node["children"])


def test_metrics_and_attributes_are_those_of_the_code() -> None:
    """A query asks for metrics that are measured, and for attributes that docs/observability.md names."""
    text = (PROJECT / "docs/observability.md").read_text()
    rows = re.findall(r"^\| `(postino\.[\w.]+)` \| ([^|]*)\|", text, re.M)
    known = {metric: set(re.findall(r"`(\w+)`", attributes)) for metric, attributes in rows}
    source = (PROJECT / "telemetry/measures.py").read_text()
    for name, query in queries().items():
        literals = _texts(query.tree, "StringLiteralExpression")
        asked = {text.strip('"') for text in literals if '"postino.' in text}
        assert all(f'"{metric}"' in source for metric in asked), name
        attributes = {text.removeprefix("Properties.") for text in _texts(query.tree, "PathExpression")}
        assert attributes <= {one for metric in asked for one in known[metric]}, name


def test_every_timer_is_counted() -> None:
    """timers-silent waits for as many timers as the app has."""
    folders = (
        *("check_status", "reminders", "measure_backlog", "expire"),
        *("follow_subscriptions", "rotate_keys"),
    )
    source = "".join((PROJECT / folder / "functions.py").read_text() for folder in folders)
    timers = re.findall(r'on_timer\(functions, readiness, "(\w+)"', source)
    assert len(timers) == source.count("on_timer(") == 6
    assert f"Running < {len(timers)}" in (ALERTS / "timers-silent.kql").read_text()


def test_the_evaluator_refuses_what_it_does_not_know() -> None:
    """A query beyond the small part of KQL that is evaluated fails instead of giving anything."""
    with pytest.raises((NotImplementedError, KeyError, AssertionError)):
        rows_of(queries()["Outcomes by state"].tree, {"AppMetrics": [outcome("accepted")]})
