"""Shows requests as the citizen will see them: as text, and as one HTML page without external resources."""

import html
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import yaml
from markdown_it import MarkdownIt

from cli.campaign_file.template import BUTTONS
from contract.request import Content, MessageRequest
from report.italian import ROME, euros

_LANGUAGES: Final = {
    "it_IT": "italiano",
    "en_GB": "inglese",
    "es_ES": "spagnolo",
    "de_DE": "tedesco",
    "fr_FR": "francese",
}
_STYLE: Final = """
:root { color-scheme: light dark; --ground: #f2f3f5; --card: #fff; --ink: #17324d; --soft: #5b6f82;
  --line: #d9dee4; --action: #0b3ee3; --on-action: #fff; }
@media (prefers-color-scheme: dark) { :root { --ground: #0e0f13; --card: #1c1e24; --ink: #f2f3f5;
  --soft: #aeb7c2; --line: #3a3e48; --action: #8aa4ff; --on-action: #0e0f13; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 "Titillium Web", system-ui, sans-serif; }
header { max-width: 72rem; margin: 0 auto 1rem; }
h1 { font-size: 1.25rem; margin: 0; }
header p { color: var(--soft); margin: .25rem 0; }
main { display: grid; gap: 1.5rem; max-width: 72rem; margin: auto;
  grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); align-items: start; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 1.25rem; padding: 1.25rem;
  overflow-wrap: anywhere; }
article > p:first-child { color: var(--soft); font-size: .875rem; margin: 0; }
h2 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 1rem; }
article section h1, article section h2, article section h3 { font-size: 1.125rem; margin: 1rem 0 .5rem; }
a { color: var(--action); }
dl { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; margin: 1rem 0; }
dt { color: var(--soft); font-size: .875rem; }
dd { margin: 0 0 .5rem; font-weight: 600; }
.action { display: block; text-align: center; border-radius: .5rem; padding: .75rem; margin-top: .75rem;
  background: var(--action); color: var(--on-action); font-weight: 600; }
.action + .action { background: none; color: var(--action); border: 2px solid var(--action); }
"""


def text_previews(requests: Iterable[MessageRequest]) -> Iterator[str]:
    """Yield each message as lines of text, in every language that it has."""
    for request in requests:
        for language, content in _versions(request):
            head = f"── {_kind(request)}, {_LANGUAGES[language]} " + "─" * 20
            facts = "\n".join(f"{label}: {value}" for label, value in _facts(content).items())
            yield "\n".join(filter(None, (head, content.subject, "", content.markdown.strip(), facts)))


def page(requests: Iterable[MessageRequest], campaign: str, service: str) -> str:
    """Return the HTML page."""
    articles = "\n".join(
        _article(request, language, content)
        for request in requests
        for language, content in _versions(request)
    )
    title = html.escape(f"Anteprima: {campaign}")
    return f"""<!doctype html>
<html lang="it">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<header><h1>{title}</h1>
<p>Servizio {html.escape(service)}. I messaggi come li mostra l'app IO, circa. Questa pagina contiene dati
personali: cancellala quando non serve più.</p></header>
<main>
{articles}
</main>
</body>
</html>
"""


def _versions(request: MessageRequest) -> Iterator[tuple[str, Content]]:
    yield "it_IT", request.content
    for language in request.translations:
        yield language, request.content_in(language)


def _article(request: MessageRequest, language: str, content: Content) -> str:
    found = BUTTONS.match(content.markdown)
    text = content.markdown[found.end() :] if found else content.markdown
    facts = "".join(
        f"<dt>{html.escape(label)}</dt><dd>{html.escape(value)}</dd>"
        for label, value in _facts(content).items()
    )
    buttons = _buttons(found[1] if found else "", language)
    actions = "".join(f'<span class="action">{html.escape(text)}</span>' for text in buttons)
    pay = '<span class="action">Paga</span>' if content.payment_data else ""
    return (
        f'<article lang="{language[:2]}"><p>{_kind(request)}, {_LANGUAGES[language]}</p>'
        f"<h2>{html.escape(content.subject)}</h2><section>{_markdown(text)}</section>"
        f"{f'<dl>{facts}</dl>' if facts else ''}{pay}{actions}</article>"
    )


def _markdown(text: str) -> str:
    parser = MarkdownIt("commonmark", {"html": False}).disable("image")
    return str(parser.render(text))


def _buttons(block: str, language: str) -> list[str]:
    """Return the texts of the buttons. The app shows the English ones to who reads in another language."""
    buttons: Mapping[str, Any] = yaml.load(block, Loader=yaml.CSafeLoader) or {}
    chosen = buttons.get("it" if language == "it_IT" else "en") or buttons.get("it") or {}
    return [str(cta["text"]) for _, cta in sorted(chosen.items())]


def _kind(request: MessageRequest) -> str:
    return "Premium" if request.feature_level_type == "ADVANCED" else "Standard"


def _facts(content: Content) -> dict[str, str]:
    payment, due = content.payment_data, content.due_date
    facts = {"Importo": euros(payment.amount)} if payment else {}
    facts |= {"Numero avviso": payment.notice_number} if payment else {}
    return facts | ({"Scadenza": f"{due.astimezone(ROME):%d/%m/%Y %H:%M}"} if due else {})
