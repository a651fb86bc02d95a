"""The page of a selection: the funnel, what failed, what waits."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any, Final
from urllib.parse import urlencode

from report import html, sections
from report.italian import duration, moment, number
from report.meanings import QUEUES, REASONS, named
from report.sections import Telling
from report.summary import exactness, options_of
from show_status.frame import described, page, search
from show_status.overview import FRESH

EXACT: Final = Telling(
    number=number,
    no_time="Ancora nessuno.",
    other_failures="Quelle ferme adesso. Ciò che riparte esce dall'elenco.",
    no_failure="Nessuna.",
    other_services="",
)
WIDE: Final = ("breve", "passi", "fallite", "cerca")
_CHOICES: Final = {"campaign": "campagna", "service": "servizio"}


def overview_page(numbers: dict[str, Any]) -> str:
    """Return the page of a selection, from the numbers of `Overview`."""
    times = numbers["times"]
    parts = {
        "breve": ("In breve", _brief(numbers)),
        "cerca": ("Scegli e cerca", _choice(numbers) + search()),
        "passi": ("A che punto sono", sections.funnel(numbers["funnel"], EXACT)),
        "dubbio": ("In dubbio", _in_doubt(numbers["failures"])),
        "parcheggiate": ("Parcheggiate", _parked(numbers)),
        "code": ("Le code", _queues(numbers)),
        "premium": ("Messaggi Premium", sections.premium(numbers["premium"], EXACT)),
        "fallite": ("Non riuscite", sections.failures(numbers["failures"], EXACT)),
        "lettura": ("Tempo alla lettura", sections.times("to_read", times["to_read"], "stripes", EXACT)),
        "pagamento": ("Tempo al pagamento", sections.times("to_pay", times["to_pay"], "dots", EXACT)),
    }
    chosen = {name: numbers[name] for name in ("campaign", "service") if numbers[name]}
    again = escape(f"?{urlencode(chosen)}")
    named_ = ", ".join(f"{what} {chosen[name]}" for name, what in _CHOICES.items() if name in chosen)
    return page(
        f"Stato dei messaggi: {named_ or 'tutte le campagne'}",
        f'<p class="soft">Letto il {moment(numbers["read_at"])}, ora italiana. '
        f'<a href="{again}">Aggiorna</a></p>{html.contents(parts)}',
        "".join(html.section(name, *part, wide=name in WIDE) for name, part in parts.items()),
        _notes(numbers["counters"]),
    )


def _brief(numbers: dict[str, Any]) -> str:
    waiting = sum(numbers["queues"].values())
    told = {
        "Ultima accettata da IO": _ago(numbers["accepted_at"], numbers) or "mai",
        "Richieste": number(numbers["total"]),
        "In dubbio": number(numbers["states"]["IN_DOUBT"]),
        "Parcheggiate": number(sum(numbers["parked"].values())),
        "Messaggi sulle code": number(waiting),
        "Ritardo nel seguire i messaggi": _delay(numbers["days_behind"]),
    }
    return described(told, "brief")


def _ago(at: datetime | None, numbers: dict[str, Any]) -> str:
    if at is None:
        return ""
    return f"{moment(at)}, {duration(max(numbers['read_at'] - at, timedelta(0)))} fa"


def _delay(days: float) -> str:
    return duration(timedelta(days=days)) if days else "nessuno"


def _choice(numbers: dict[str, Any]) -> str:
    fields = (
        ("campaign", "Campagna", "tutte", numbers["campaigns"]),
        ("service", "Servizio", "tutti", numbers["services"]),
    )
    selects = "".join(
        f'<div><label for="{name}">{label}</label><select id="{name}" name="{name}">'
        f'<option value="">{every}</option>{_options(known, numbers[name])}</select></div>'
        for name, label, every, known in fields
    )
    return f"<form>{selects}<button>Mostra</button></form>"


def _options(names: Sequence[str], chosen: str | None) -> str:
    return "".join(
        f"<option{' selected' if name == chosen else ''}>{escape(name)}</option>" for name in names
    )


def _in_doubt(failures: Sequence[dict[str, Any]]) -> str:
    in_doubt = [one for one in failures if one["state"] == "IN_DOUBT"]
    if not in_doubt:
        return "<p>Nessuna.</p>"
    text = (
        "<p>Non si sa se IO le ha ricevute: non partono più da sole. Decide l'operatore, con "
        f"<code>{escape(in_doubt[0]['command'])}</code>.</p>"
    )
    rows = [(str(named(REASONS, one["reason"])), number(one["number"])) for one in in_doubt]
    return text + html.table("In dubbio per motivo", ("motivo", "numero"), rows, numbers=(1,))


def _parked(numbers: dict[str, Any]) -> str:
    if not numbers["parked"]:
        return "<p>Nessuna.</p>"
    options = options_of(numbers["campaign"], numbers["service"])
    rows = [
        (f"{named(REASONS, reason)}\npostino parked list --reason {reason}{options}", number(many))
        for reason, many in numbers["parked"].most_common()
    ]
    return html.table("Parcheggiate per motivo", ("motivo, e come si guarda", "numero"), rows, numbers=(1,))


def _queues(numbers: dict[str, Any]) -> str:
    oldest, now = numbers["oldest"], numbers["read_at"]
    rows = [
        (f"{QUEUES[queue]} ({queue})\n{_first_waits(oldest[queue], now)}", number(depth))
        for queue, depth in numbers["queues"].items()
        if depth
    ]
    text = f"<p>Sono quelle di tutte le campagne.{'' if rows else ' Sono vuote.'}</p>"
    head = ("coda, e da quanto aspetta il primo", "messaggi")
    return text + (html.table("Le code che non sono vuote", head, rows, numbers=(1,)) if rows else "")


def _first_waits(at: datetime | None, now: datetime) -> str:
    return f"da {duration(max(now - at, timedelta(0)))}" if at else "nessuno è visibile adesso"


def _notes(counters: dict[str, Any]) -> str:
    lines = "".join(f"<p>{escape(text)}</p>" for text in exactness(counters))
    return (
        f"{lines}<p>I numeri sono esatti, come quelli di <code>postino status</code>, e vecchi al più di "
        f"{FRESH.seconds} secondi: chi li dà ad altri usi <code>postino report</code>. Che cosa è fermo, e "
        "perché, lo dice <code>postino doctor</code>.</p>"
    )
