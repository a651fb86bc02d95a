"""The rules in Italian, in one table each: those of the contract, and those of a campaign's file.

Every command that shows a broken rule takes its sentence from here.

Each rule has a code, by which an operator names it. A sentence has no subject: the field or column is its
subject, as in the contract's own sentences.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

Level = Literal["error", "warning"]

_KINDS: Final = {
    "null": "null",
    "true or false": "vero o falso",
    "a number": "un numero",
    "a string": "un testo",
    "an array": "un elenco",
    "an object": "un oggetto",
    "a mapping": "un insieme di chiavi e valori",
    "none": "non ce n'è nessuno",
}
_FRONT_MATTER: Final = "front matter: "
# The English sentence as a pattern; the code; the Italian sentence, with the pattern's groups as {0}, {1}.
_CONTRACT: Final[tuple[tuple[str, str, str], ...]] = (
    (r"is required", "obbligatorio", "è obbligatorio e manca"),
    (
        r"is not a known field: remove it or correct its name",
        "campo-sconosciuto",
        "non è un campo noto: toglilo o correggi il nome",
    ),
    (r"must be a string, is (.+)", "tipo", "deve essere un testo, è {0}"),
    (r"must be a whole number, is (.+)", "tipo", "deve essere un numero intero, è {0}"),
    (r"must be true or false, is (.+)", "tipo", "deve essere vero o falso, è {0}"),
    (r"must be an object, is (.+)", "tipo", "deve essere un oggetto, è {0}"),
    (r"must be an array, is (.+)", "tipo", "deve essere un elenco, è {0}"),
    (r"must have at least 1 values, has 0", "quantita", "deve avere almeno un valore"),
    (r"must have at least (\d+) values, has (\d+)", "quantita", "deve avere almeno {0} valori, ne ha {1}"),
    (r"must have at most (\d+) values, has (\d+)", "quantita", "deve avere al più {0} valori, ne ha {1}"),
    (r"must be at least (\S+)", "minimo", "deve essere almeno {0}"),
    (r"must be at most (\S+)", "massimo", "deve essere al più {0}"),
    (
        r"must have (\d+) to (\d+) UTF-16 code units, has (\d+)",
        "lunghezza",
        "deve avere da {0} a {1} caratteri (un'emoji vale due), ne ha {2}",
    ),
    (
        r"must not contain a fiscal code: it travels in logs and events",
        "codice-fiscale-in-chiaro",
        "non deve contenere un codice fiscale: passa nei log e negli esiti",
    ),
    (
        r"must not contain a fiscal code: everyone who sees the phone reads the subject",
        "oggetto-codice-fiscale",
        "non deve contenere un codice fiscale: l'oggetto lo legge chiunque veda il telefono",
    ),
    (r"must be a date and time that exist", "data-inesistente", "deve essere una data e un'ora che esistono"),
    (
        r"must be from 2000 to 2099 in UTC: leave it out when there is no such instant",
        "data-fuori-limiti",
        "deve essere tra il 2000 e il 2099: se non c'è, va lasciata vuota",
    ),
    (
        r"needs a time zone: end it with Z or an offset such as \+02:00",
        "data-senza-fuso",
        "deve avere il fuso: va conclusa con Z o con uno scarto come +02:00",
    ),
    (
        r"must be a string with an ISO 8601 instant, is (.+)",
        "tipo",
        "deve essere un testo con un istante ISO 8601, è {0}",
    ),
    (
        r"must be an ISO 8601 instant such as (\S+)",
        "data-illeggibile",
        "deve essere un istante ISO 8601 come {0}",
    ),
    (
        r"must be a person's fiscal code: 16 upper case letters and digits",
        "codice-fiscale",
        "deve essere il codice fiscale di una persona: 16 lettere maiuscole e cifre",
    ),
    (
        r"must be an organization's fiscal code: 11 digits",
        "codice-fiscale-di-ente",
        "deve essere il codice fiscale di un ente: 11 cifre",
    ),
    (
        r"must be a pagoPA notice number: 18 digits, the first 0 to 3",
        "numero-avviso",
        "deve essere un numero di avviso pagoPA: 18 cifre, la prima da 0 a 3",
    ),
    (
        r"must be 1 to 512 characters of (.+), in parts that are not empty nor end with a dot",
        "allegato",
        "deve avere da 1 a 512 caratteri tra {0}, in parti non vuote che non finiscono con un punto",
    ),
    (
        r"is not a reference; put requests on message-requests",
        "rimando",
        "non è un rimando di Postino: le richieste vanno nella coda message-requests",
    ),
    (
        r"must be (\d+) to (\d+) characters of (.+) and, not at its ends, spaces",
        "caratteri",
        "deve avere da {0} a {1} caratteri tra {2} e, non in testa né in coda, spazi",
    ),
    (r"must be (\d+) to (\d+) characters of (.+)", "caratteri", "deve avere da {0} a {1} caratteri tra {2}"),
    (r"must be a W3C traceparent such as (\S+)", "traceparent", "deve essere un traceparent W3C come {0}"),
    (r"must be (\d+) hexadecimal digits", "caratteri", "deve avere {0} cifre esadecimali"),
    (
        r"is the language of content: put the Italian text there",
        "lingua",
        "è la lingua di content: il testo italiano va lì",
    ),
    (
        r"is not a configured IO service: name one of them \((.+)\) or configure it",
        "servizio",
        "non è un servizio IO configurato: scegline uno ({0}) o configuralo",
    ),
    (
        r"must be the request_id of another request",
        "rimando",
        "deve essere il request_id di un'altra richiesta",
    ),
    (r"must be after not_before", "termine-prima-dell-inizio", "deve venire dopo not_before"),
    (
        r"is required when content\.payment_data\.invalid_after_due_date is true",
        "scadenza-obbligatoria",
        "è obbligatoria quando l'avviso non si può pagare dopo la scadenza (invalid_after_due_date)",
    ),
    (
        r"needs feature_level_type ADVANCED: of other messages IO does not tell who has read or paid",
        "solleciti-premium",
        "richiede messaggi Premium (ADVANCED): degli altri IO non dice chi ha letto o pagato",
    ),
    (r"needs content\.(\S+)", "solleciti-pagamento", "richiede content.{0}"),
    (r"must not name a day twice", "giorno-ripetuto", "non deve ripetere un giorno"),
    (
        r"is given with subject or not at all",
        "solo-con-oggetto",
        "si scrive insieme a subject, oppure nessuno dei due",
    ),
    (
        r"need subject and markdown: Postino's own text has its translations",
        "traduzioni-senza-testo",
        "richiedono subject e markdown: il testo di Postino ha già le sue traduzioni",
    ),
    (
        r"is required when there is no request_id",
        "obbligatorio",
        "è obbligatorio quando non c'è un request_id",
    ),
    (r"must be left out when there is a request_id", "di-troppo", "non va scritto quando c'è un request_id"),
    (r"is nested too deeply", "corpo", "ha troppi livelli, uno dentro l'altro"),
    (r"must be a JSON object, is (.+)", "corpo", "deve essere un oggetto JSON, è {0}"),
    (r"is not UTF-8 text", "corpo", "non è un testo in UTF-8"),
    (
        r"is neither JSON nor base64 of JSON: (.+) at line (\d+) column (\d+)",
        "corpo",
        "non è né JSON né il base64 di un JSON: non si legge da riga {1}, colonna {2}",
    ),
    (
        r"has half of a surrogate pair: it is not Unicode text",
        "corpo",
        "contiene mezza coppia surrogata: non è un testo Unicode",
    ),
    (r"has a number with too many digits", "corpo", "contiene un numero con troppe cifre"),
    (
        r"has the key (.+) twice in one object",
        "corpo",
        "contiene due volte la chiave {0} nello stesso oggetto",
    ),
    (r"has (\S+), which is not JSON", "corpo", "contiene {0}, che non è JSON"),
    (r"breaks 1 more rules", "altre-regole", "viola un'altra regola"),
    (r"breaks (\d+) more rules", "altre-regole", "viola altre {0} regole"),
    (
        r"starts with a line '---': front matter must open .+",
        "pulsanti-non-chiusi",
        "comincia con una riga '---': i pulsanti (CTA) si aprono al primissimo carattere e si chiudono con "
        "un'altra riga '---' (per tracciare un filetto si scrive ***)",
    ),
    (
        r"front matter must not use YAML aliases",
        "pulsanti",
        "pulsanti (CTA): non deve usare gli alias di YAML",
    ),
    (
        r"front matter is not valid YAML(?: at its line (\d+))?",
        "pulsanti",
        "pulsanti (CTA): non è YAML valido (riga {0})",
    ),
    (
        _FRONT_MATTER + r"(\S+) must be a string that is not empty: put it between quotes",
        "pulsanti",
        "pulsanti (CTA): {0} deve essere un testo non vuoto: mettilo tra virgolette",
    ),
    (_FRONT_MATTER + r"(\S+)\.action must be (.+)", "pulsanti", "pulsanti (CTA): {0}.action deve essere {1}"),
    (
        _FRONT_MATTER + r"(.+) must be a mapping of (.+)",
        "pulsanti",
        "pulsanti (CTA): {0} deve avere le chiavi {1}",
    ),
    (_FRONT_MATTER + r"(.+) must have (\S+)", "pulsanti", "pulsanti (CTA): {0} deve avere {1}"),
    (_FRONT_MATTER + r"(.+) has (\S+) twice", "pulsanti", "pulsanti (CTA): {0} ha due volte {1}"),
    (_FRONT_MATTER + r"(.+) may have only (.+)", "pulsanti", "pulsanti (CTA): {0} può avere soltanto {1}"),
    (
        r"needs feature_level_type ADVANCED: IO takes no remote content without it",
        "allegati-premium",
        "richiede messaggi Premium (ADVANCED): IO non prende allegati e contenuti remoti senza",
    ),
    (
        r"must end in \.pdf, the only type that IO shows",
        "allegato-pdf",
        "deve finire con .pdf, l'unico tipo che IO mostra",
    ),
    (
        r"must have no slash and only characters that can be printed",
        "allegato-nome",
        "non deve avere barre né caratteri che non si stampano",
    ),
    (
        r"must name a document when there is no subject and markdown",
        "allegato-mancante",
        "deve avere un documento quando non ci sono subject e markdown",
    ),
    (r"must be (.+)", "valore", "deve essere {0}"),
)


@dataclass(frozen=True)
class FileRule:
    """A rule of the campaign's file or template. The sentence has the finding's details as {name}."""

    level: Level
    sentence: str


def _error(sentence: str) -> FileRule:
    return FileRule("error", sentence)


def _warning(sentence: str) -> FileRule:
    return FileRule("warning", sentence)


FILE_RULES: Final[dict[str, FileRule]] = {
    # the file
    "file-formato": _error("non si può leggere: {why}"),
    "file-codifica": _error("non è un testo in UTF-8, UTF-16 o Windows-1252: salvalo come «CSV UTF-8»"),
    "file-vuoto": _error("non contiene nessuna riga da inviare"),
    "file-troppo-grande": _error("è troppo grande: {why}; dividilo in più file"),
    "foglio-mancante": _error("non ha il foglio {name}: ci sono {names}"),
    "virgolette": _error("ha virgolette non chiuse o fuori posto: da questa riga il file non si può leggere"),
    # the headers
    "intestazione-vuota": _error("non ha un'intestazione"),
    "intestazione-ripetuta": _error("ha la stessa intestazione della colonna {other}"),
    "campo-ripetuto": _error("dice lo stesso campo della colonna {other} ({name})"),
    "colonna-mancante": _error("manca la colonna {name}"),
    "colonna-non-disponibile": _error("questa versione di Postino non invia ancora questo campo"),
    "campo-del-modello-mancante": _error("usa il campo {name}, che nel file non è una colonna"),
    # the template
    "modello": _error("{why}"),
    # any cell
    "celle-in-piu": _error("ha un valore oltre l'ultima colonna con un'intestazione"),
    "cella-errore": _error("contiene un errore del foglio di calcolo (come #N/D o #RIF!)"),
    "formula-senza-valore": _error(
        "contiene una formula senza il suo risultato: apri il file nel foglio di calcolo e salvalo di nuovo"
    ),
    "cella-vuota": _error("è vuota, e il modello la usa"),
    "testo-storpiato": _warning(
        "ha accenti storpiati (come «Ã¨» al posto di «è»): codifica del file sbagliata"
    ),
    "filtro": _error("non è un valore che il filtro {name} del modello sappia scrivere"),
    # amounts
    "importo-illeggibile": _error("non è un importo: scrivilo come 1234,56"),
    "importo-ambiguo": _error("può voler dire migliaia o millesimi: scrivi 1234,00 oppure 1,23"),
    "importo-decimali": _error("ha più di due decimali"),
    "importo-negativo": _error("è negativo"),
    "importo-zero": _error("è zero: un avviso da pagare è di almeno un centesimo"),
    "importo-massimo": _error("supera l'importo massimo di {most} (--max-amount)"),
    # dates
    "data-illeggibile": _error(
        "non è una data: scrivila come 31/12/2026 o 2026-12-31, con o senza l'ora 12:30"
    ),
    "data-inesistente": _error("non esiste nel calendario"),
    "data-anno-breve": _error("ha l'anno di due cifre: scrivilo con quattro"),
    "data-numero": _error("è un numero, non una data: dai alla colonna il formato Data"),
    "ora-inesistente": _error("quel giorno cambia l'ora, e quest'ora manca o viene due volte"),
    "scadenza-passata": _warning("è già passata"),
    "termine-passato": _error("è già passato: il messaggio non partirebbe"),
    # notice numbers
    "avviso-numero": _error(
        "è scritto come numero, e il foglio di calcolo tiene solo 15 cifre: le altre sono perse. "
        "Riprendi i numeri dall'originale in una colonna di formato Testo"
    ),
    "avviso-esponente": _error(
        "è in notazione scientifica (3,01E+17): le cifre sono perse. "
        "Riprendi i numeri dall'originale in una colonna di formato Testo"
    ),
    "avviso-decimale": _error(
        "è passato per un numero decimale («.0» in fondo): le ultime cifre possono essere sbagliate. "
        "Riprendi i numeri dall'originale come testo"
    ),
    "avviso-zero-perso": _error(
        "ha 17 cifre: il foglio di calcolo ha di solito tolto lo zero iniziale. "
        "Riprendi i numeri dall'originale in una colonna di formato Testo"
    ),
    "avviso-corretto": _warning("aveva spazi o un apostrofo, che sono stati tolti"),
    "avviso-arrotondato": _warning("finisce con tre zeri: il foglio di calcolo può averlo arrotondato"),
    "avviso-controllo": _warning("ha le due cifre di controllo finali che non tornano"),
    # fiscal codes
    "codice-fiscale-corretto": _warning("aveva spazi o minuscole, che sono stati corretti"),
    "codice-fiscale-ente": _error("è di un ente o una partita IVA (11 cifre): IO scrive solo alle persone"),
    "codice-fiscale-controllo": _warning("ha la lettera di controllo finale che non torna"),
    # other fields
    "priorita": _error("deve essere «urgente» o «massiva»"),
    # the whole file
    "id-ripetuto": _error(
        "è la stessa richiesta della riga {first}: per due messaggi servono due id diversi"
    ),
    "avviso-ripetuto": _error("è lo stesso avviso della riga {first}"),
    "destinatario-ripetuto": _warning("è lo stesso destinatario della riga {first}: riceverà due messaggi"),
    "id-conflitto": _error(
        "è già di una richiesta con altro contenuto: il messaggio di prima resta, questo non è partito. "
        "Per scrivere di nuovo a queste persone metti solo queste righe in un altro foglio, e invialo con "
        "un'altra campagna"
    ),
    "richiesta-troppo-grande": _error("con tutte le traduzioni il messaggio supera i 64 KB di una coda"),
    # the spread
    "distribuzione-colonna": _error("non si usa con --spread: il momento di ogni riga viene da lì"),
    "distribuzione-scadenza": _error("viene prima dell'invio, che --spread mette al {start}"),
    # the trials
    "prova-destinatario": _error(
        "non è un destinatario di prova (TEST_RECIPIENTS): un file di prova ha dati inventati, "
        "e va solo a loro"
    ),
    "prova-allegati": _error(
        "è un documento di una persona: per la prova serve un file di prova, con --sample, che ne nomini "
        "uno inventato"
    ),
    "prova-poche-righe": _error("ha {rows} righe, e le prove chieste sono {wanted}"),
    # the subject
    "oggetto-nome": _warning(
        "contiene il nome del destinatario: l'oggetto lo legge chiunque veda il telefono"
    ),
    "oggetto-avviso": _warning("contiene un numero di avviso"),
    "oggetto-iban": _warning("contiene un IBAN"),
    "oggetto-email": _warning("contiene un indirizzo e-mail"),
    "oggetto-telefono": _warning("contiene un numero di telefono"),
    "oggetto-salute": _warning(
        "contiene una parola sulla salute o su altri dati delicati ({word}): mettila solo nel testo"
    ),
    "oggetto-emoji": _warning("contiene un'emoji: il manuale dei servizi di IO chiede di non usarne"),
    "oggetto-maiuscolo": _warning("è tutto in maiuscolo"),
    "oggetto-a-capo": _warning("va a capo"),
    # the text
    "testo-html": _warning("contiene HTML, che IO mostra come testo"),
    "testo-immagine": _warning("contiene un'immagine, che IO non mostra"),
    "testo-tabella": _warning("contiene una tabella, che IO non mostra"),
    "link-http": _warning("contiene un collegamento http, non protetto: usa https"),
    "link-abbreviato": _warning("contiene un collegamento abbreviato: sembra una truffa, usa quello intero"),
    "link-ip": _warning("contiene un collegamento a un indirizzo IP: usa il nome del sito"),
    "link-senza-protocollo": _warning("contiene un collegamento senza https:// davanti, che IO non apre"),
}


@cache
def contract_rule(rule: str) -> tuple[str, str]:
    """Return the code and the Italian sentence of a rule of the contract, given its English sentence."""
    for pattern, code, sentence in _patterns():
        if found := pattern.fullmatch(rule):
            return code, sentence.format(*(_in_italian(group) for group in found.groups()))
    return "regola", rule


def in_italian(rule: str) -> str:
    """Return the Italian sentence of a rule of the contract, given its English sentence."""
    return contract_rule(rule)[1]


def level_of(code: str) -> Level:
    """Return whether a rule is an error or a warning; all rules of the contract are errors."""
    return FILE_RULES[code].level if code in FILE_RULES else "error"


WARNINGS: Final = tuple(sorted(code for code, rule in FILE_RULES.items() if rule.level == "warning"))


@cache
def _patterns() -> list[tuple[re.Pattern[str], str, str]]:
    return [(re.compile(pattern), code, sentence) for pattern, code, sentence in _CONTRACT]


def _in_italian(group: str | None) -> str:
    if group is None:
        return "?"
    group = _KINDS.get(group, group).replace("its top level", "il primo livello")
    return re.sub(r" (and|or) ", lambda found: {"and": " e ", "or": " o "}[found[1]], group).replace(
        " followed by ", " seguito da "
    )
