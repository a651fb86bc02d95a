"""Texts of a municipality to its citizens: the Italian texts of the demo, one of them translated."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Text:
    """A message's text.

    `code` begins the ids of its requests. `translations` are subject and markdown by language. `has_due_date`
    and `has_payment` say what else the message carries.
    """

    code: str
    service: str
    subject: str
    markdown: str
    has_due_date: bool = False
    has_payment: bool = False
    translations: Mapping[str, tuple[str, str]] = field(default_factory=dict)


IDENTITY_CARD = Text(
    "carta",
    "anagrafe",
    "La tua carta d'identità è pronta",
    "Puoi ritirare la carta d'identità allo sportello dell'anagrafe, in via Roma 1, dal lunedì al venerdì "
    "dalle 9 alle 13. Porta con te la ricevuta della richiesta.",
)
APPOINTMENT = Text(
    "visita",
    "anagrafe",
    "Il tuo appuntamento allo sportello",
    "Ti aspettiamo allo sportello dell'anagrafe giovedì prossimo alle 10:30, in via Roma 1. Se non puoi "
    "venire, disdici l'appuntamento almeno un giorno prima.",
    translations={
        "en_GB": (
            "Your appointment at the registry office",
            "We are expecting you at the registry office next Thursday at 10:30, in via Roma 1. If you "
            "cannot come, please cancel at least one day before.",
        ),
        "de_DE": (
            "Ihr Termin beim Meldeamt",
            "Wir erwarten Sie am kommenden Donnerstag um 10:30 Uhr beim Meldeamt in der via Roma 1. Wenn Sie "
            "verhindert sind, sagen Sie bitte spätestens am Vortag ab.",
        ),
    },
)
NURSERY = Text(
    "nido",
    "scuola",
    "Asilo nido: completa l'iscrizione",
    "Hai ottenuto un posto all'asilo nido comunale. Per confermarlo completa l'iscrizione sul sito del "
    "Comune entro la data indicata; dopo, il posto passa a un'altra famiglia.",
    has_due_date=True,
)
PARKING_PERMIT = Text(
    "sosta",
    "tributi",
    "Il tuo permesso di sosta sta per scadere",
    "---\n"
    "it:\n"
    "  cta_1:\n"
    '    text: "Rinnova il permesso"\n'
    '    action: "iohandledlink://https://www.comune.example.it/sosta"\n'
    "---\n"
    "Il tuo permesso di sosta per residenti scade alla data indicata. Puoi rinnovarlo da qui.",
    has_due_date=True,
)
WASTE_TAX = Text(
    "tari",
    "tributi",
    "TARI: avviso da pagare",
    "Puoi pagare la tassa sui rifiuti da qui, entro la data indicata. L'avviso riguarda l'abitazione in cui "
    "risiedi. Se hai già pagato, non devi fare altro.",
    has_due_date=True,
    has_payment=True,
)
# Courtesy text: IO shows it in lists and sends it by e-mail, before the citizen opens the message.
RECEIPT = Text(
    "ricevuta",
    "tributi",
    "TARI: la tua ricevuta",
    "Hai pagato la tassa sui rifiuti. Apri il messaggio per leggere e salvare la ricevuta, che resta a tua "
    "disposizione anche in seguito.",
)
SCHOOL_MEALS = Text(
    "mensa",
    "scuola",
    "Mensa scolastica: retta del mese",
    "È disponibile la retta della mensa scolastica per i pasti del mese scorso. Puoi pagarla da qui, entro "
    "la data indicata, o agli sportelli abilitati a pagoPA.",
    has_due_date=True,
    has_payment=True,
)
