"""The meaning of states, reasons, refusals and timeline lines for an operator, and the possible remedies."""

from collections.abc import Mapping
from typing import Final

from storage.documents import LARGEST_DOCUMENT

STATES: Final[Mapping[str, str]] = {
    "REQUESTED": "ricevuta, da inviare",
    "SENDING": "invio in corso",
    "DEFERRED": "rimandata, sarà ritentata da sola",
    "ACCEPTED": "accettata da IO, non ancora consegnata",
    "IN_DOUBT": "non si sa se IO l'ha ricevuta: decide l'operatore",
    "REFUSED": "non inviata: così com'è IO la rifiuta",
    "SKIPPED": "non inviata: non può arrivare, o non serve più",
    "EXPIRED": "non inviata: è passato il termine expires_at",
    "DEAD": "non inviata: fallita più volte, o rimandata troppo a lungo",
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
    "exhausted": "rimandata troppo a lungo",
    "settled": "un operatore ha scritto che non è mai arrivata a IO",
    "recipient_not_found": "il destinatario non è su IO, o non vi riceve messaggi",
    "sender_not_allowed": "il destinatario non vuole messaggi da questo servizio",
    "settled_upstream": "il creditore dice che l'avviso è pagato",
    "read": "il primo messaggio è stato letto nel frattempo",
    "paid": "l'avviso è stato pagato nel frattempo",
    "campaign_stopped": "i solleciti della campagna sono stati fermati",
    "payment_amount_not_allowed": "l'importo supera il massimo del servizio su IO",
    "invalid_message": "IO non accetta il contenuto così com'è",
    "recipient_forbidden": "l'account può scrivere solo a destinatari di prova",
    "document_missing": "un documento non è arrivato in 24 ore nel contenitore `documents`",
    "document_not_pdf": "un documento non è un PDF: i suoi primi byte non sono %PDF-",
    "document_empty": "un documento è vuoto",
    "document_too_large": f"un documento supera i {LARGEST_DOCUMENT // 1024**2} MB",
    "remote_content_not_configured": "al servizio manca la configurazione dei contenuti remoti, o all'app "
    "REMOTE_CONTENT_API_KEY",
}
OPERATIONS: Final[Mapping[str, str]] = {
    "*": "tutte",
    "get_profile": "controllo del destinatario",
    "submit_message": "invio",
    "get_message": "lettura dello stato",
}
ADVICE: Final[Mapping[str, str]] = {
    "invalid_key": "IO non riconosce la chiave, o la sua sottoscrizione non è attiva: confronta IO_API_KEY, "
    "IO_API_SECONDARY_KEY o IO_SERVICES con le chiavi del servizio nel back office di IO.",
    "anonymous_user": "IO non collega la chiave a nessun utente: controlla che sia di un servizio dell'ente, "
    "poi chiedi all'assistenza di IO.",
    "no_valid_scopes": "l'account non ha il permesso di fare queste chiamate: "
    "chiedi all'assistenza di IO di abilitarlo.",
    "not_allowed": "manca un permesso, la chiave è di un altro servizio o di gestione (MANAGE), oppure "
    "l'indirizzo IP da cui si chiama non è tra quelli autorizzati: controlla il servizio nel back office.",
    "production_call_forbidden": "il servizio non è ancora autorizzato a scrivere ai cittadini: "
    "completa la sua attivazione nel back office di IO.",
    "recipient_forbidden": "l'account può occuparsi solo di destinatari di prova: "
    "completa la sua attivazione nel back office di IO.",
    "client_certificate_required": "IO vuole da questo account un certificato client, che Postino non ha: "
    "chiedi all'assistenza di IO di toglierlo da quelli che entrano con il certificato.",
    "forbidden": "IO rifiuta senza dire perché: controlla nel back office di IO il servizio, "
    "gli indirizzi IP autorizzati e a che cosa serve la chiave.",
    "wrong_base_url": "a questo indirizzo non c'è l'API di IO: "
    "correggi IO_API_BASE_URL, che di solito è https://api.io.pagopa.it/api/v1.",
}
NOTES: Final[Mapping[str | None, str]] = {
    "READ_UNAVAILABLE": "IO non può dire se è stato letto: non vuol dire non letto",
    "UNCONFIRMED": "dopo 60 giorni IO non ha detto se è consegnato: segnalalo all'assistenza di IO",
    "MISSING": "IO non conosce un messaggio che aveva accettato: segnalalo all'assistenza di IO",
    "settled_upstream": "lo ha comunicato il creditore",
    "REMINDED": "sollecitato, con un messaggio nuovo",
    "NOT_REMINDED": "non sollecitato",
    "read": "non sollecitato: IO dice che è letto",
    "paid": "non sollecitato: IO dice che è pagato",
    "settled": "non sollecitato: il creditore dice che è pagato",
    "not_payable": "non sollecitato: la scadenza è passata e l'avviso non è più pagabile",
    "past_due": "non sollecitato: la scadenza è passata",
    "not_followed": "non sollecitato: sono passati i 60 giorni in cui un messaggio è seguito",
    "superseded": "non sollecitato: rimandato fino al sollecito dopo",
    "read_unavailable": "non sollecitato: IO non può dire se è letto",
    "recipient_turned_away": "non sollecitato: il cittadino non riceve più messaggi da questo servizio",
    "campaign_stopped": "non sollecitato: i solleciti della campagna sono fermi",
    "citizen_reminded_enough": "non sollecitato: il cittadino aveva già ricevuto abbastanza solleciti",
    "reminded_lately": "non sollecitato: troppo vicino al sollecito prima",
    "document_missing": "un documento non è nel contenitore `documents`: si aspettano 24 ore in tutto",
    "documents_unanswered": "i blob non rispondono: con HTTP 403 manca il ruolo sui blob",
    "too_long": "non sollecitato: con tutte le traduzioni il testo è troppo lungo per una coda",
    "quiet_time": "non sollecitato: di notte, di domenica o in un giorno festivo",
    "rejected": "non sollecitato: IO non ha consegnato il messaggio",
    "failed": "non sollecitato: IO non ha consegnato il messaggio",
}

# What mends the failures of a state: a command, where there is one, and what to do by state or by reason.
COMMANDS_ON_FAILURES: Final[Mapping[str, str]] = {
    "REFUSED": "postino parked list --reason {reason}",
    "DEAD": "postino parked redrive --reason {reason}",
    "IN_DOUBT": "postino in-doubt list",
}
_NOTHING_TO_DO: Final = "niente: il messaggio non serviva più"
_OTHER_CHANNEL: Final = "usare un altro canale"
ADVICE_ON_FAILURES: Final[Mapping[str, str]] = {
    "SKIPPED": _OTHER_CHANNEL,
    "EXPIRED": "se serve ancora, mettere una richiesta nuova",
    "REFUSED": "correggere la causa, poi una richiesta nuova o un redrive",
    "DEAD": "togliere la causa, poi rimettere in coda",
    "IN_DOUBT": "chiedere all'assistenza di IO, poi decidere",
    "REJECTED": _OTHER_CHANNEL,
    "FAILED": _OTHER_CHANNEL,
    "settled_upstream": _NOTHING_TO_DO,
    "read": _NOTHING_TO_DO,
    "paid": _NOTHING_TO_DO,
    "campaign_stopped": "niente: i solleciti della campagna sono fermi",
}
STEPS: Final[Mapping[str, str]] = {
    "requested": "richieste",
    "reachable": "contattabili",
    "accepted": "accettate da IO",
    "delivered": "consegnate",
    "read": "lette",
    "paid": "pagate",
}
OF_WHAT: Final[Mapping[str, str]] = {
    "reachable": "delle richieste",
    "accepted": "delle richieste",
    "delivered": "delle accettate",
    "read": "delle Premium consegnate",
    "paid": "degli avvisi Premium consegnati",
}
TIMES: Final[Mapping[str, str]] = {"to_read": "alla lettura", "to_pay": "al pagamento"}
BUCKETS: Final[Mapping[str, str]] = {
    "1h": "entro un'ora",
    "6h": "da 1 a 6 ore",
    "1d": "da 6 a 24 ore",
    "3d": "da 1 a 3 giorni",
    "7d": "da 3 a 7 giorni",
    "14d": "da 7 a 14 giorni",
    "30d": "da 14 a 30 giorni",
    "longer": "oltre 30 giorni",
}
