"""The report as one HTML page that needs nothing else: no script, no image, no font, no connection."""

from datetime import datetime
from html import escape
from typing import Any, Final

from report import html, sections
from report.italian import moment
from report.sections import Telling
from report.suppression import FEW, SMALLEST, shown_number

NO_CONNECTION: Final = "default-src 'none'; style-src 'unsafe-inline'"
ROUNDED: Final = Telling(
    number=shown_number,
    no_time=f"In ogni intervallo {FEW}.",
    other_failures=f"I motivi con {FEW} richieste non sono elencati.",
    no_failure=f"I motivi con {FEW} richieste non sono elencati.",
    other_services=f"I servizi con {FEW} messaggi non sono elencati.",
)
WIDE: Final = ("passi", "fallite")


def page(document: dict[str, Any], made_at: datetime) -> str:
    """Return the page. All numbers of the document must be suppressed already."""
    title, times = _title(document), document["times"]
    parts = {
        "passi": ("A che punto sono", sections.funnel(document["funnel"], ROUNDED)),
        "lettura": (
            "Tempo alla lettura",
            sections.times("to_read", times["to_read"], "stripes", ROUNDED),
        ),
        "pagamento": ("Tempo al pagamento", sections.times("to_pay", times["to_pay"], "dots", ROUNDED)),
        "fallite": ("Non riuscite", sections.failures(document["failures"], ROUNDED)),
        "premium": ("Messaggi Premium", sections.premium(document["premium"], ROUNDED)),
    }
    return html.page(
        title,
        head=f'<meta http-equiv="Content-Security-Policy" content="{NO_CONNECTION}">\n',
        header=f"<h1>{escape(title)}</h1>\n"
        f'<p class="soft">{escape(_span(document))}</p>\n{html.contents(parts)}',
        main="".join(html.section(name, *part, wide=name in WIDE) for name, part in parts.items()),
        footer=_notes(document, made_at),
    )


def _title(document: dict[str, Any]) -> str:
    named = (("campagna", document["campaign"]), ("servizio", document["service"]))
    chosen = ", ".join(f"{what} {name}" for what, name in named if name)
    return f"Messaggi su IO: {chosen or 'tutte le campagne'}"


def _span(document: dict[str, Any]) -> str:
    if not document["first_at"]:
        return "Nessuna richiesta."
    first, last = (moment(document[name]).split()[0] for name in ("first_at", "last_at"))
    return f"Dalla prima richiesta, il {first}, all'ultima novità, il {last}."


def _notes(document: dict[str, Any], made_at: datetime) -> str:
    rebuilt = document["counters"]["rebuilt_at"]
    since = (
        f"Contatori rifatti dal registro il {moment(rebuilt)}."
        if rebuilt
        else "Contatori mai rifatti dal registro."
    )
    return (
        f"<p>Numeri del {moment(made_at)}, ora italiana. {since}</p>"
        f"<p>Sono arrotondati per difetto a multipli di {SMALLEST}, così nessuna differenza rivela un gruppo "
        f"di {FEW} persone; «{FEW}» può essere anche zero. Anche le quote vengono dai numeri arrotondati.</p>"
        "<p>«Consegnate» vuol dire nella posta del cittadino, anche se non lette. IO sa della lettura e del "
        "pagamento soltanto per i messaggi Premium, e non per tutti i cittadini.</p>"
    )
