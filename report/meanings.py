"""The meaning for an operator of the words that the ledger and IO use, and the possible remedies."""

from collections.abc import Mapping
from typing import Final

from storage.documents import LARGEST_DOCUMENT
from storage.ledger import NOT_REMINDED, OTHER, REDRIVEN, State

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
    "not_subscribed": "il destinatario non è tra gli iscritti del servizio",
    "wrong_fiscal_code": "il codice fiscale manca, o non è di una persona",
    "settled_upstream": "il creditore dice che l'avviso è pagato",
    "read": "il primo messaggio è stato letto nel frattempo",
    "paid": "l'avviso è stato pagato nel frattempo",
    "erased": "un operatore ha cancellato i dati della persona",
    "campaign_stopped": "i solleciti della campagna sono stati fermati",
    "payment_amount_not_allowed": "l'importo supera il massimo del servizio su IO",
    "invalid_message": "IO non accetta il contenuto così com'è",
    "recipient_forbidden": "l'account può scrivere solo a destinatari di prova",
    "document_missing": "un documento non è arrivato in 24 ore nel contenitore documents",
    "document_not_pdf": "un documento non è un PDF: i suoi primi byte non sono %PDF-",
    "document_empty": "un documento è vuoto",
    "document_too_large": f"un documento supera i {LARGEST_DOCUMENT // 1024**2} MB",
    "remote_content_not_configured": "al servizio manca la configurazione dei contenuti remoti, o all'app "
    "REMOTE_CONTENT_API_KEY",
    # what makes a request wait
    "rate_limited": "IO chiede di rallentare",
    "budget_spent": "il ritmo concesso da IO è già tutto usato",
    "not_ready": "Postino non leggeva le sue tabelle o le sue chiavi",
    "not_prepared": "la chiamata a IO non è partita",
    "unreachable": "IO non è raggiungibile",
    "paused": "il servizio è in pausa",
    "io_unavailable": "IO non risponde a queste chiamate",
    "io_slow": "IO risponde troppo piano",
    "service_not_configured": "il servizio non è nelle impostazioni",
    "lease_too_short": "restava troppo poco tempo per un invio",
    "not_claimed": "la richiesta era di un altro processo",
    "documents_unanswered": "i documenti non si leggono: con HTTP 403 manca il ruolo sui blob",
    "server_error": "errore di IO",
    "unexpected_answer": "IO ha risposto in modo imprevisto",
    "unreadable_answer": "la risposta di IO non si legge",
    "invalid_request": "IO non accetta la domanda",
    "payment_lookup_failed": "IO non ha potuto chiedere a pagoPA",
    "not_this_service": "IO dice che il messaggio è di un altro servizio",
    "message_not_found": "IO non conosce il messaggio",
    OTHER: "motivi diversi",
    # what leaves a request in doubt
    "timeout": "IO non ha risposto in tempo",
    "connection_lost": "la connessione è caduta prima della risposta",
    "unexpected_failure": "un errore imprevisto durante l'invio",
    "lease_over": "chi la inviava si è interrotto",
    "no_message_id": "IO l'ha accettata senza dire con quale id",
    # why IO refuses a key
    "invalid_key": "IO non riconosce la chiave",
    "anonymous_user": "IO non collega la chiave a nessun utente",
    "no_valid_scopes": "l'account non ha il permesso",
    "not_allowed": "manca un permesso",
    "production_call_forbidden": "il servizio non può ancora scrivere ai cittadini",
    "client_certificate_required": "IO vuole un certificato client",
    "forbidden": "IO rifiuta senza dire perché",
    "wrong_base_url": "a questo indirizzo non c'è l'API di IO",
    # why IO refuses a message
    "premium_not_allowed": "il servizio non può inviare messaggi Premium",
    "payee_not_allowed": "il servizio non può inviare avvisi di altri creditori",
    "third_party_not_allowed": "il servizio non può inviare contenuti remoti",
    "attachments_not_allowed": "il servizio non può inviare documenti",
    "remote_content_configuration_missing": "il servizio non ha una configurazione dei contenuti remoti",
    "remote_content_configuration_not_owned": "la configurazione dei contenuti remoti è di un altro ente",
    "remote_content_configuration_not_found": "IO non ha la configurazione dei contenuti remoti",
    "message_too_large": "il messaggio è troppo grande",
    "invalid_fiscal_code": "IO non accetta il codice fiscale",
    # why IO gives no day of the subscriptions feed
    "feed_not_allowed": "IO non dà a questo servizio il registro degli iscritti",
    "day_not_ready": "il giorno non è ancora finito, in UTC",
    # what an operator did
    "resend": "un operatore ha deciso di inviarla di nuovo",
    REDRIVEN: "un operatore l'ha rimessa in moto",
    "unknown": "il motivo non è stato scritto",
}
OPERATIONS: Final[Mapping[str, str]] = {
    "*": "tutte",
    "get_profile": "controllo del destinatario",
    "submit_message": "invio",
    "get_message": "lettura dello stato",
    "get_subscriptions": "registro degli iscritti",
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
FACTS: Final[Mapping[str, str]] = {
    "READ_UNAVAILABLE": "IO non può dire se è stata letta: non vuol dire non letta",
    "UNCONFIRMED": "dopo 60 giorni IO non ha detto se è consegnata: segnalalo all'assistenza di IO",
    "MISSING": "IO non conosce un messaggio che aveva accettato: segnalalo all'assistenza di IO",
    "REMINDED": "sollecitata, con un messaggio nuovo",
    "NOT_REMINDED": "non sollecitata",
    "PARKED": "parcheggiata: decide l'operatore",
}
"""The lines of a history that are no states."""
NO_REMINDER: Final[Mapping[str, str]] = {
    "read": "IO dice che è letta",
    "paid": "IO dice che è pagata",
    "settled": "il creditore dice che è pagata",
    "not_payable": "la scadenza è passata e l'avviso non è più pagabile",
    "past_due": "la scadenza è passata",
    "not_followed": "sono passati i 60 giorni in cui un messaggio è seguito",
    "superseded": "rimandato fino al sollecito dopo",
    "read_unavailable": "IO non può dire se è letta",
    "recipient_turned_away": "il cittadino non riceve più messaggi da questo servizio",
    "campaign_stopped": "i solleciti della campagna sono fermi",
    "citizen_reminded_enough": "il cittadino aveva già ricevuto abbastanza solleciti",
    "reminded_lately": "troppo vicino al sollecito prima",
    "too_long": "con tutte le traduzioni il testo è troppo lungo per una coda",
    "quiet_time": "di notte, di domenica o in un giorno festivo",
    "rejected": "IO non ha consegnato il messaggio",
    "failed": "IO non ha consegnato il messaggio",
}
"""Why a reminder was not sent."""
WAITING: Final[Mapping[str, str]] = {
    "document_missing": "un documento non è nel contenitore documents: si aspettano 24 ore in tutto",
}
"""Why a request waits, where the reason means something else once the request has ended."""
LEVELS: Final[Mapping[str, str]] = {"STANDARD": "normale", "ADVANCED": "Premium"}
STATUSES: Final[Mapping[str, str]] = {
    "ACCEPTED": "accettato",
    "THROTTLED": "in attesa presso IO",
    "PROCESSED": "consegnato",
    "REJECTED": "respinto",
    "FAILED": "non consegnato, per un errore di IO",
}
READINGS: Final[Mapping[str, str]] = {
    "READ": "letto",
    "UNREAD": "non letto",
    "UNAVAILABLE": "IO non può dirlo",
}
PAYMENTS: Final[Mapping[str, str]] = {"PAID": "pagato", "NOT_PAID": "non risulta pagato"}
QUEUES: Final[Mapping[str, str]] = {
    "message-requests": "richieste da prendere",
    "message-sends": "messaggi da inviare",
    "message-requests-bulk": "richieste massive da prendere",
    "message-sends-bulk": "messaggi massivi da inviare",
    "message-settled": "pagamenti comunicati dal creditore",
    "message-outcomes": "esiti che il gestionale non ha ancora preso",
    "message-requests-poison": "richieste fallite, da parcheggiare",
    "message-sends-poison": "messaggi falliti, da parcheggiare",
    "message-requests-bulk-poison": "richieste massive fallite, da parcheggiare",
    "message-sends-bulk-poison": "messaggi massivi falliti, da parcheggiare",
    "message-settled-poison": "pagamenti falliti, da parcheggiare",
}
KEYS: Final[Mapping[str, str]] = {"primary": "primaria", "secondary": "secondaria"}
RESULTS: Final[Mapping[str, str]] = {
    "redriven": "rimesso in moto",
    "already_on_its_way": "già in viaggio",
    "parked_again": "parcheggiato di nuovo nel frattempo",
    "too_often": "già rimesso in moto troppe volte: serve una richiesta nuova",
    "dropped": "scartato",
    "resend": "sarà inviato di nuovo",
    "already_resent": "già da inviare di nuovo",
    "not_in_doubt": "non più in dubbio",
    "not_sent": "mai arrivata a IO: è parcheggiata, e parte solo con `postino parked redrive`",
    "would_not_leave": "scaduto o pagato prima del reinvio: resta in dubbio",
}
"""What became of each target of a bulk action."""
ACTIONS: Final[Mapping[str, str]] = {
    "redrive": "rimettere in moto",
    "drop": "scartare",
    "resend": "inviare di nuovo",
    "settle": "scrivere com'è finita",
    "forget_key": "rinunciare a una chiave",
    "rotate_keys": "cambiare la chiave di cifratura",
    "reveal": "vedere i dati personali",
    "status recount": "rifare i conti",
    "pause": "mettere in pausa",
    "resume": "togliere la pausa",
    "reminders stop": "fermare i solleciti",
    "reminders resume": "riprendere i solleciti",
    "send": "inviare una campagna",
    "send_trials": "inviare messaggi di prova",
    "reach": "chiedere chi si può contattare",
    "create_configuration": "creare una configurazione su IO",
    "update_configuration": "cambiare una configurazione su IO",
    "correct_remote_content": "correggere un contenuto remoto",
    "search_person": "cercare i dati di una persona",
    "erase": "cancellare i dati di una persona",
    "erased": "dati di una persona cancellati",
}
"""The actions of the audit, each written before it is done; `erased` is written after."""
CHAIN: Final[Mapping[str, str]] = {
    "changed": "è stata cambiata, o messa lì dopo",
    "missing": "manca",
    "legacy": "sono state cambiate, tolte o aggiunte righe di prima della catena",
}
"""What `audit verify` finds."""


def named(meanings: Mapping[str, str], word: str | None) -> str | None:
    """Return the meaning of a word with the word beside it: consegnato (PROCESSED)."""
    if word is None:
        return None
    meaning = meanings.get(word)
    return f"{meaning} ({word})" if meaning else word


def why(what: str, reason: str | None) -> str | None:
    """Return the meaning of a reason in a line of the history, with the reason's word beside it."""
    special: Mapping[str, str] = {NOT_REMINDED: NO_REMINDER, str(State.DEFERRED): WAITING}.get(what, {})
    return named({**REASONS, **special}, reason)


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
