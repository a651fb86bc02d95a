"""The page of one request: what `postino show` says of it."""

from collections.abc import Iterable
from html import escape
from typing import Any

from report import html
from report.italian import counted, moment, shown
from report.meanings import QUEUES, REASONS, named
from report.timeline import HISTORY, LABELS, facts, line, state_in_words
from show_status.frame import BACK, described, page, search


def request_page(document: dict[str, Any]) -> str:
    """Return the page of one request, from its timeline."""
    parts = {
        "stato": ("Che cosa se ne sa", _facts(document)),
        "storia": ("La storia", _history(document["history"])),
    }
    if document["parked"]:
        parts["parcheggiata"] = ("Parcheggiata", _parked_message(document))
    parts["cerca"] = ("Cerca un'altra richiesta", search())
    return page(
        f"Richiesta {document['request_id']}",
        f"<p><strong>{escape(str(state_in_words(document['state'])))}</strong></p>{BACK}",
        "".join(html.section(name, *part, wide=True) for name, part in parts.items()),
    )


def _facts(document: dict[str, Any]) -> str:
    there = {LABELS[name]: shown(value) for name, value in facts(document).items() if value is not None}
    return described(there, "facts")


def _history(steps: Iterable[dict[str, Any]]) -> str:
    return f'<ol class="steps">{"".join(f"<li>{_step(step)}</li>" for step in steps)}</ol>'


def _step(step: dict[str, Any]) -> str:
    """Return a step as lines: when, what, and then each column that has a value with its name."""
    at, what, *rest = [escape(shown(value)) for value in line(step)]
    named_rest = (f"<br>{name}: {value}" for name, value in zip(HISTORY[2:], rest, strict=True) if value)
    return f'<span class="soft">{at}</span><br><strong>{what}</strong>{"".join(named_rest)}'


def _parked_message(document: dict[str, Any]) -> str:
    parked = document["parked"]
    reason, queue = (
        escape(str(named(words, parked[name]))) for words, name in ((REASONS, "reason"), (QUEUES, "queue"))
    )
    times = counted(parked["times"], "volta", "volte")
    fields = _codes(violation["field"] for violation in parked["violations"])
    return (
        f"<p>{reason}, il {moment(parked['last_at'])}, {times}, dalla coda {queue}.</p>"
        + (f"<p>I campi che non vanno:</p>{fields}" if parked["violations"] else "")
        + "<p>Per il resto, e per decidere:</p>"
        + _codes(f"postino parked show {parked_id}" for parked_id in document["parked_ids"])
    )


def _codes(texts: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li><code>{escape(text)}</code></li>' for text in texts)}</ul>"
