"""Postino's own texts for a reminder, in the languages of IO's profiles.

The subject of a reminder uses general words, because everyone who sees the phone reads it. The text names the
first message by its own subject, so that the citizen finds it among the messages. The institution wrote that
subject; the contract refuses one that holds a fiscal code against IO's rules, so it is never repeated here.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from contract.fields import Language
from contract.request import MessageRequest
from contract.text import Text
from reminders.calendar import local_day
from reminders.plan import Kind

# Characters with a meaning in markdown: escape them to show them.
_MARKUP: Final = re.compile(r"([\\`*_\[\]<>~|#!&])")


type Texts = tuple[Text, dict[Language, Text]]
"""The Italian text, and the texts in other languages."""


@dataclass(frozen=True)
class _Template:
    """The parts of a text; {due} stands for the day of the due date."""

    subject: str
    opening: str
    closing: str
    day: str = "%d/%m/%Y"


_ITALIAN: Final = {
    Kind.UNREAD: _Template(
        "Promemoria: hai un messaggio da leggere",
        "Ti abbiamo scritto un messaggio che potresti non aver ancora letto.",
        "Lo trovi su IO, tra i messaggi di questo stesso servizio. Se lo hai già letto, non devi fare nulla.",
    ),
    Kind.UNPAID: _Template(
        "Promemoria: hai un avviso da pagare entro il {due}",
        "Hai tempo fino al {due} per pagare l'avviso di cui ti abbiamo scritto.",
        "Puoi pagarlo da questo messaggio. Se lo hai già pagato, non devi fare nulla.",
    ),
}
_UNREAD: Final[dict[Language, _Template]] = {
    "en_GB": _Template(
        "Reminder: you have a message to read",
        "We sent you a message that you may not have read yet.",
        "You can find it on IO, among the messages of this service. If you have already read it, "
        "there is nothing to do.",
    ),
    "es_ES": _Template(
        "Recordatorio: tienes un mensaje por leer",
        "Te hemos enviado un mensaje que quizá aún no has leído.",
        "Lo encuentras en IO, entre los mensajes de este servicio. Si ya lo has leído, "
        "no tienes que hacer nada.",
    ),
    "de_DE": _Template(
        "Erinnerung: Sie haben eine Nachricht zu lesen",
        "Wir haben Ihnen eine Nachricht geschickt, die Sie vielleicht noch nicht gelesen haben.",
        "Sie finden sie in IO unter den Nachrichten dieses Dienstes. Wenn Sie sie schon gelesen haben, "
        "müssen Sie nichts tun.",
    ),
    "fr_FR": _Template(
        "Rappel : vous avez un message à lire",
        "Nous vous avons envoyé un message que vous n'avez peut-être pas encore lu.",
        "Vous le trouvez sur IO, parmi les messages de ce service. Si vous l'avez déjà lu, "
        "vous n'avez rien à faire.",
    ),
}
_UNPAID: Final[dict[Language, _Template]] = {
    "en_GB": _Template(
        "Reminder: you have a notice to pay by {due}",
        "You have until {due} to pay the notice that we wrote to you about.",
        "You can pay it from this message. If you have already paid it, there is nothing to do.",
    ),
    "es_ES": _Template(
        "Recordatorio: tienes un aviso por pagar hasta el {due}",
        "Tienes hasta el {due} para pagar el aviso del que te hemos escrito.",
        "Puedes pagarlo desde este mensaje. Si ya lo has pagado, no tienes que hacer nada.",
    ),
    "de_DE": _Template(
        "Erinnerung: Sie haben bis zum {due} eine Zahlung zu leisten",
        "Sie haben bis zum {due} Zeit, die Zahlung zu leisten, über die wir Ihnen geschrieben haben.",
        "Sie können direkt aus dieser Nachricht zahlen. Wenn Sie schon gezahlt haben, müssen Sie nichts tun.",
        day="%d.%m.%Y",
    ),
    "fr_FR": _Template(
        "Rappel : vous avez un avis à payer au plus tard le {due}",
        "Vous avez jusqu'au {due} pour payer l'avis dont nous vous avons parlé.",
        "Vous pouvez le payer depuis ce message. Si vous l'avez déjà payé, vous n'avez rien à faire.",
    ),
}
_TRANSLATED: Final = {Kind.UNREAD: _UNREAD, Kind.UNPAID: _UNPAID}


def default_texts(kind: Kind, request: MessageRequest) -> Texts:
    """Return the text of a reminder of `request`, in every language."""
    italian = _filled(_ITALIAN[kind], request, None)
    return italian, {
        language: _filled(template, request, language) for language, template in _TRANSLATED[kind].items()
    }


def _filled(template: _Template, request: MessageRequest, language: Language | None) -> Text:
    due = _day(request.content.due_date, template.day)
    paragraphs = (template.opening.format(due=due), _named(request, language), template.closing)
    return Text(subject=template.subject.format(due=due), markdown="\n\n".join(paragraphs))


def _day(due: datetime | None, form: str) -> str:
    return local_day(due).strftime(form) if due else ""


def _named(request: MessageRequest, language: Language | None) -> str:
    text = request.translations.get(language, request.content) if language else request.content
    return f"**{_MARKUP.sub(r'\\\1', ' '.join(text.subject.split()))}**"
