"""The parts of every page: its frame with the style, sections, figures, tables. Nothing is loaded or run."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from report.plots import PATTERNS, Bar, bars

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


def page(title: str, *, head: str = "", style: str = STYLE, header: str, main: str, footer: str) -> str:
    """Return a page with this title and these parts, which are HTML. `head`: more elements of the head."""
    return f"""<!DOCTYPE html>
<html lang="it">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{head}<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
{PATTERNS}
<header>
{header}
</header>
<main>
{main}
</main>
<footer class="soft">
{footer}
</footer>
</body>
</html>
"""


def contents(sections: Mapping[str, tuple[str, str]]) -> str:
    """Return the links to sections, by their ids. Each section: its heading, and its HTML."""
    links = "".join(f'<li><a href="#{name}">{escape(head)}</a></li>' for name, (head, _) in sections.items())
    return f'<nav aria-label="Parti della pagina"><ul>{links}</ul></nav>'


def section(name: str, head: str, body: str, *, wide: bool) -> str:
    """Return a section with a heading. `wide`: over all columns."""
    kind = ' class="wide"' if wide else ""
    heading = f'<h2 id="{name}-h">{escape(head)}</h2>'
    return f'<section id="{name}"{kind} aria-labelledby="{name}-h">{heading}{body}</section>\n'


def figure(name: str, title: str, caption: str, rows: Sequence[Bar], pattern: str) -> str:
    """Return a bar plot with a caption; screen readers get the title and every row."""
    description = "; ".join(f"{row.label}: {row.number}" for row in rows)
    plot = bars(title, description, rows, pattern=pattern, identifier=name)
    return f"<figure><figcaption>{escape(caption)}</figcaption>{plot}</figure>"


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()
) -> str:
    """Return a table that can be folded. Its first column names the row.

    `numbers`: the columns that hold numbers. A line of a cell that begins with `postino` is a command.
    """

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
