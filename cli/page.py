"""The report as one HTML page that needs nothing else: no script, no image, no font, no connection."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Any, Final

from cli.italian import moment
from cli.meanings import BUCKETS, OF_WHAT, STEPS
from cli.plots import PATTERNS, Bar, bars
from cli.status import meaning, remedy, share_of
from cli.suppression import FEW, SMALLEST, shown_number

STYLE: Final = """
:root { color-scheme: light dark; --ground: #fff; --text: #1a1f24; --soft: #4a545e; --ink: #0b5394;
  --pale: #d6e4f2; --rule: #8a949e; --focus: #b34700; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181c; --text: #eef1f4; --soft: #b9c2cb;
  --ink: #7db8f0; --pale: #1f3a54; --rule: #76818c; --focus: #ffb070; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.25rem; max-width: 76rem; background: var(--ground); color: var(--text);
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 0 0 .5rem; }
p { margin: .25rem 0 .75rem; }
.soft, figcaption { color: var(--soft); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; margin: 1rem 0; }
a { color: var(--ink); }
a:focus-visible, summary:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1.25rem; }
section { border: 1px solid var(--rule); border-radius: .5rem; padding: 1rem; min-width: 0; }
.wide { grid-column: 1 / -1; }
figure { margin: 0 0 1rem; }
figcaption { margin-bottom: .75rem; }
.patterns { position: absolute; }
.plot { display: block; }
.plot text { fill: var(--text); font-size: 14px; }
.plot .number { font-weight: 600; }
.whole { fill: none; stroke: var(--rule); }
.ink { fill: var(--ink); }
.pale { fill: var(--pale); }
.line { fill: none; stroke: var(--ink); stroke-width: 2.5; }
summary { cursor: pointer; padding: .25rem 0; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0;
  border-bottom: 1px solid var(--rule); }
th[scope=row] { font-weight: 400; }
td.number, th.number { width: 6.5rem; text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
code { font: .9em ui-monospace, Consolas, monospace; overflow-wrap: anywhere; }
footer { margin-top: 1.5rem; }
@media print {
  :root { --ground: #fff; --text: #000; --soft: #333; --ink: #0b5394; --pale: #d6e4f2; --rule: #666; }
  body { max-width: none; padding: 0; font-size: 10pt; print-color-adjust: exact; }
  nav { display: none; }
  main { display: block; }
  section { break-inside: avoid; margin-bottom: 1rem; }
}
@page { margin: 15mm; }
"""
NO_CONNECTION: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page(document: dict[str, Any], made_at: datetime) -> str:
    """Return the page. All numbers of the document must be suppressed already."""
    title = _title(document)
    sections = {
        "passi": ("A che punto sono", _funnel(document)),
        "lettura": ("Tempo alla lettura", _times("to_read", document["times"]["to_read"], "stripes")),
        "pagamento": ("Tempo al pagamento", _times("to_pay", document["times"]["to_pay"], "dots")),
        "fallite": ("Non riuscite", _failures(document["failures"])),
        "premium": ("Messaggi Premium", _premium(document["premium"])),
    }
    links = "".join(f'<li><a href="#{name}">{escape(head)}</a></li>' for name, (head, _) in sections.items())
    return f"""<!DOCTYPE html>
<html lang="it">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{NO_CONNECTION}">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
{PATTERNS}
<header>
<h1>{escape(title)}</h1>
<p class="soft">{escape(_span(document))}</p>
<nav aria-label="Parti della pagina"><ul>{links}</ul></nav>
</header>
<main>
{"".join(_section(name, head, body) for name, (head, body) in sections.items())}
</main>
<footer class="soft">
{_notes(document, made_at)}
</footer>
</body>
</html>
"""


def _title(document: dict[str, Any]) -> str:
    named = (("campagna", document["campaign"]), ("servizio", document["service"]))
    chosen = ", ".join(f"{what} {name}" for what, name in named if name)
    return f"Messaggi su IO: {chosen or 'tutte le campagne'}"


def _span(document: dict[str, Any]) -> str:
    if not document["first_at"]:
        return "Nessuna richiesta."
    first, last = (moment(document[name]).split()[0] for name in ("first_at", "last_at"))
    return f"Dalla prima richiesta, il {first}, all'ultima novità, il {last}."


def _section(name: str, head: str, body: str) -> str:
    wide = ' class="wide"' if name in ("passi", "fallite") else ""
    heading = f'<h2 id="{name}-h">{escape(head)}</h2>'
    return f'<section id="{name}"{wide} aria-labelledby="{name}-h">{heading}{body}</section>\n'


def _funnel(document: dict[str, Any]) -> str:
    steps = document["funnel"]
    rows = [(STEPS[step["step"]], shown_number(step["number"]), _share(step)) for step in steps]
    plotted = [
        Bar(f"{label}: {share}" if share else label, number, _part(step["number"], step["of"]))
        for (label, number, share), step in zip(rows, steps, strict=True)
    ]
    caption = (
        "Ogni barra è piena per la parte di chi poteva arrivare a quel passo. Lette e pagate: solo Premium."
    )
    return _figure(
        "funnel", "Quante richieste sono arrivate a ogni passo", caption, plotted, "solid"
    ) + _table("I passi in numeri", ("passo", "numero", "quota"), rows, numbers=(1,))


def _share(step: dict[str, Any]) -> str:
    if not step["number"] or step["step"] not in OF_WHAT:
        return ""
    return f"{share_of(step['percent'])} {OF_WHAT[step['step']]}"


def _times(name: str, times: dict[str, Any], pattern: str) -> str:
    numbers = times["buckets"]
    most = max(numbers.values())
    rows = [(BUCKETS[bucket], shown_number(number)) for bucket, number in numbers.items()]
    plotted = [
        Bar(label, number, _part(numbers[bucket], most))
        for bucket, (label, number) in zip(numbers, rows, strict=True)
    ]
    half = f"Metà {BUCKETS[times['median']]}." if times["median"] else f"In ogni intervallo {FEW}."
    caption = (
        f"Da quando IO accetta il messaggio. {half} Una lettura o un pagamento si vede al controllo seguente."
    )
    title = "Quante letture per tempo" if name == "to_read" else "Quanti pagamenti per tempo"
    return _figure(name, title, caption, plotted, pattern) + _table(
        "I tempi in numeri", ("tempo", "numero"), rows, numbers=(1,)
    )


def _failures(failures: Sequence[dict[str, Any]]) -> str:
    left_out = f"I motivi con {FEW} richieste non sono elencati."
    if not failures:
        return f"<p>{left_out}</p>"
    most = max(one["number"] for one in failures)
    plotted = [Bar(meaning(one), shown_number(one["number"]), _part(one["number"], most)) for one in failures]
    rows = [
        (f"{meaning(one)} ({one['reason'] or one['state']})\n{remedy(one)}", shown_number(one["number"]))
        for one in failures
    ]
    return _figure(
        "failures", "Quante richieste non sono riuscite, per motivo", left_out, plotted, "grid"
    ) + _table("I motivi in numeri", ("motivo, e come si rimedia", "numero"), rows, numbers=(1,))


def _premium(premium: dict[str, Any]) -> str:
    year = premium["year"]
    text = f"Accettati da IO dal primo gennaio {year}. I servizi con {FEW} messaggi non sono elencati."
    rows = [(name, shown_number(number)) for name, number in premium["services"].items()]
    head = ("servizio", "numero")
    return f"<p>{text}</p>" + (
        _table("Messaggi Premium per servizio", head, rows, numbers=(1,)) if rows else ""
    )


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


def _part(number: int, of: int) -> float:
    return number / of if of else 0.0


def _figure(name: str, title: str, caption: str, rows: Sequence[Bar], pattern: str) -> str:
    description = "; ".join(f"{row.label}: {row.number}" for row in rows)
    plot = bars(title, description, rows, pattern=pattern, identifier=name)
    return f"<figure><figcaption>{escape(caption)}</figcaption>{plot}</figure>"


def _table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()
) -> str:
    """Return a table whose first column names the row. `numbers`: the columns that hold numbers."""

    def cell(column: int, text: str) -> str:
        lines = "<br>".join(map(_code, text.split("\n")))
        return (
            f'<th scope="row">{lines}</th>' if column == 0 else f"<td{_numeric(column, numbers)}>{lines}</td>"
        )

    heads = "".join(
        f'<th scope="col"{_numeric(column, numbers)}>{escape(text)}</th>' for column, text in enumerate(head)
    )
    body = "".join(f"<tr>{''.join(cell(*one) for one in enumerate(row))}</tr>" for row in rows)
    return (
        f"<details open><summary>{escape(caption)}</summary><table><caption>{escape(caption)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></details>"
    )


def _numeric(column: int, numbers: Sequence[int]) -> str:
    return ' class="number"' if column in numbers else ""


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>" if text.startswith("postino ") else escape(text)
