"""What states, reasons of parked messages and lines of a timeline mean to an operator."""

from collections.abc import Mapping
from typing import Final

STATES: Final[Mapping[str, str]] = {
    "REQUESTED": "ricevuta, da inviare",
    "SENDING": "invio in corso",
    "DEFERRED": "rimandata, sarà ritentata da sola",
    "ACCEPTED": "accettata da IO, non ancora consegnata",
    "IN_DOUBT": "non si sa se IO l'ha ricevuta: decide l'operatore",
    "REFUSED": "non inviata: così com'è IO la rifiuta",
    "SKIPPED": "non inviata: il destinatario non riceve messaggi da questo servizio",
    "EXPIRED": "non inviata: è passato il termine expires_at",
    "DEAD": "non inviata: fallita troppe volte",
    "PROCESSED": "consegnata",
    "REJECTED": "non consegnata: IO l'ha respinta",
    "FAILED": "non consegnata: errore di IO",
    "READ": "consegnata e letta",
    "PAID": "consegnata e pagata",
}
REASONS: Final[Mapping[str, str]] = {
    "invalid": "la richiesta non rispetta il contratto",
    "conflict": "il request_id è già di una richiesta con altro contenuto",
    "unknown_request": "rimanda a una richiesta che il registro non conosce",
    "failed_repeatedly": "fallita troppe volte",
    "exhausted": "rimandata troppe volte o troppo a lungo",
    "settled": "un operatore ha scritto che non è mai arrivata a IO",
    "payment_amount_not_allowed": "l'importo supera il massimo del servizio su IO",
    "invalid_message": "IO non accetta il contenuto così com'è",
    "recipient_forbidden": "l'account può scrivere solo a destinatari di prova",
}
NOTES: Final[Mapping[str | None, str]] = {
    "READ_UNAVAILABLE": "IO non può dire se è stato letto: non vuol dire non letto",
    "MISSING": "IO non conosce un messaggio che aveva accettato: segnalalo all'assistenza di IO",
    "settled_upstream": "lo ha comunicato il creditore",
}
