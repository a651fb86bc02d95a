"""The sections that the report and the status page have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from report.html import figure, table
from report.italian import share_of
from report.meanings import BUCKETS, OF_WHAT, STEPS
from report.plots import Bar
from report.summary import meaning, remedy


@dataclass(frozen=True)
class Telling:
    """How numbers are told: as they are, or without small groups. The other texts say what is not told."""

    number: Callable[[int], str]
    no_time: str
    other_failures: str
    no_failure: str
    other_services: str


def funnel(steps: Sequence[dict[str, Any]], telling: Telling) -> str:
    """Return how many requests came to each step, as a plot and a table."""
    rows = [(STEPS[step["step"]], telling.number(step["number"]), _share(step)) for step in steps]
    plotted = [
        Bar(f"{label}: {share}" if share else label, number, _part(step["number"], step["of"]))
        for (label, number, share), step in zip(rows, steps, strict=True)
    ]
    caption = (
        "Ogni barra è piena per la parte di chi poteva arrivare a quel passo. Lette e pagate: solo Premium."
    )
    return figure("funnel", "Quante richieste sono arrivate a ogni passo", caption, plotted, "solid") + table(
        "I passi in numeri", ("passo", "numero", "quota"), rows, numbers=(1,)
    )


def times(name: str, told: dict[str, Any], pattern: str, telling: Telling) -> str:
    """Return the times `to_read` or `to_pay`, as a plot and a table."""
    numbers = told["buckets"]
    most = max(numbers.values())
    rows = [(BUCKETS[bucket], telling.number(number)) for bucket, number in numbers.items()]
    plotted = [
        Bar(label, number, _part(numbers[bucket], most))
        for bucket, (label, number) in zip(numbers, rows, strict=True)
    ]
    half = f"Metà {BUCKETS[told['median']]}." if told["median"] else telling.no_time
    caption = (
        f"Da quando IO accetta il messaggio. {half} Una lettura o un pagamento si vede al controllo seguente."
    )
    title = "Quante letture per tempo" if name == "to_read" else "Quanti pagamenti per tempo"
    return figure(name, title, caption, plotted, pattern) + table(
        "I tempi in numeri", ("tempo", "numero"), rows, numbers=(1,)
    )


def failures(found: Sequence[dict[str, Any]], telling: Telling) -> str:
    """Return what failed, by reason, with what mends it, as a plot and a table."""
    if not found:
        return f"<p>{telling.no_failure}</p>"
    most = max(one["number"] for one in found)
    plotted = [Bar(meaning(one), telling.number(one["number"]), _part(one["number"], most)) for one in found]
    rows = [
        (f"{meaning(one)} ({one['reason'] or one['state']})\n{remedy(one)}", telling.number(one["number"]))
        for one in found
    ]
    return figure(
        "failures", "Quante richieste non sono riuscite, per motivo", telling.other_failures, plotted, "grid"
    ) + table("I motivi in numeri", ("motivo, e come si rimedia", "numero"), rows, numbers=(1,))


def premium(told: dict[str, Any], telling: Telling) -> str:
    """Return the Premium messages of the year, by service."""
    text = f"Accettati da IO dal primo gennaio {told['year']}. {telling.other_services}".strip()
    rows = [(name, telling.number(number)) for name, number in told["services"].items()]
    head = ("servizio", "numero")
    listed = table("Messaggi Premium per servizio", head, rows, numbers=(1,)) if rows else ""
    return f"<p>{text}</p>{listed}"


def _share(step: dict[str, Any]) -> str:
    if not step["number"] or step["step"] not in OF_WHAT:
        return ""
    return f"{share_of(step['percent'])} {OF_WHAT[step['step']]}"


def _part(number: int, of: int) -> float:
    return number / of if of else 0.0
