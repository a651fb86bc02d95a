"""The mistakes of the settings in Italian. The app writes the same lines in English to its logs."""

import re
from typing import Final

from cli.phrases import Phrases
from cli.rules_it import contract_rule
from cli.usage_it import VALUES

_FORMS: Final = (
    "metti una stringa di connessione, oppure AzureWebJobsStorage__accountName, oppure "
    "AzureWebJobsStorage__queueServiceUri e AzureWebJobsStorage__tableServiceUri"
)
_MISTAKES: Final = Phrases(
    (
        (
            r"(.+)(?:;|:) make one with: (.+)",
            "{0}. Metti le stesse chiavi dell'app; solo per un'app nuova se ne fa una con: {1}",
        ),
        (r"missing; set a connection string.+", f"manca; {_FORMS}"),
        (
            r"is no connection string; set a connection string.+",
            f"non è una stringa di connessione; {_FORMS}",
        ),
        (
            r"missing; set the key of your IO service here, or several in IO_SERVICES",
            "manca; metti qui la chiave del servizio IO, o più chiavi in IO_SERVICES",
        ),
        (
            r"missing; REMOTE_CONTENT_API_SECONDARY_KEY alone opens nothing",
            "manca; REMOTE_CONTENT_API_SECONDARY_KEY da sola non apre niente",
        ),
        (r"missing", "manca"),
        (r"is not known here", "qui non è un nome noto"),
        (r"is empty", "è vuota"),
        (r"is no URL", "non è un indirizzo (URL)"),
        (
            r"is not taken; use a managed identity, or (\S+), (\S+) and (\S+)",
            "non si usa; usa un'identità gestita, oppure {0}, {1} e {2}",
        ),
        (
            r"is an unresolved Key Vault reference: put the secret, refresh the references",
            "è un riferimento a Key Vault non risolto: metti il segreto e fai rileggere i riferimenti",
        ),
        (r"has white space at its beginning or end", "ha spazi in testa o in coda"),
        (
            r"has characters that no HTTP header carries",
            "ha caratteri che un'intestazione HTTP non può portare",
        ),
        (
            r"must be the configuration_id of a remote content at IO: 26 letters and digits",
            "dev'essere il configuration_id di un contenuto remoto su IO: 26 lettere e cifre",
        ),
        (r"must be calls/seconds, such as (\S+)", "si scrive chiamate/secondi, per esempio {0}"),
        (
            r"must be the account's name alone, 3 to 24 lower-case letters and digits",
            "dev'essere il solo nome dell'account: da 3 a 24 lettere minuscole e cifre",
        ),
        (r"must be managedidentity, or not set", "dev'essere managedidentity, oppure non va messa"),
        (r"must be a GUID or a domain", "dev'essere un GUID o un dominio"),
        (r"must be a GUID", "dev'essere un GUID"),
        (r"must be (/subscriptions/\S+)", "dev'essere {0}"),
        (
            r"is one identity and (\S+) another; keep one of them",
            "è un'identità, e {0} è un'altra: tienine una",
        ),
        (
            r"needs AzureWebJobsStorage__blobServiceUri: documents are blobs",
            "richiede AzureWebJobsStorage__blobServiceUri: i documenti sono blob",
        ),
        (r"needs (\S+)", "richiede {0}"),
        (
            r"is a connection string, which wins over (\S+); keep one of them",
            "è una stringa di connessione, che vale più di {0}: tieni una delle due",
        ),
        (
            r"must begin with https: keys and fiscal codes go there",
            "deve cominciare con https: vi passano chiavi e codici fiscali",
        ),
        (r"must begin with (\S+)", "deve cominciare con {0}"),
        (
            r"is the key of service 'default', which IO_SERVICES sets too; keep one of them",
            "è la chiave del servizio «default», che c'è anche in IO_SERVICES: tieni una delle due",
        ),
        (r"must be at least ([A-Z_]+)", "dev'essere almeno quanto {0}"),
        (r"must have at least (\d+) characters", "deve avere almeno {0} caratteri"),
        (
            r"must be the name of an HTTP header: letters, digits and -",
            "dev'essere il nome di un'intestazione HTTP: lettere, cifre e trattini",
        ),
        (
            r"must be the value of an app role: letters, digits, \. _ -",
            "dev'essere il valore di un ruolo dell'app: lettere, cifre, . _ -",
        ),
        (
            r"is for the service of IO_API_KEY; others have (?:their )?(\S+) in IO_SERVICES",
            "vale per il servizio di IO_API_KEY; gli altri hanno {0} in IO_SERVICES",
        ),
        (
            r"is no connection string of Application Insights: (\S+)",
            "non è una stringa di connessione di Application Insights: {0}",
        ),
        (
            r"must be http/json, the one that is spoken here, or not set",
            "dev'essere http/json, l'unico che l'app conosce, oppure non va messa",
        ),
        (
            r"must be a number from 0 to (\S+) for that OTEL_TRACES_SAMPLER",
            "dev'essere un numero da 0 a {0}, con quell'OTEL_TRACES_SAMPLER",
        ),
        (
            r"must have the six fields of NCRONTAB, such as '(.+)'",
            "deve avere i sei campi di NCRONTAB, per esempio {0}",
        ),
        (
            r"is not of the account of (\S+); keep one, or name one account",
            "non è dello stesso account di {0}: tieni una delle due, o correggi l'account",
        ),
        (
            r"name (\d+) is of no configured service, such as default",
            "il nome numero {0} non è di un servizio configurato, come «default»",
        ),
        (r"names '(.+)' twice in one object", "ha due volte {0} nello stesso oggetto"),
        (r"must be JSON such as (.+)", "dev'essere JSON, per esempio {0}"),
        (
            r"key (\d+) has white space inside; separate keys with commas",
            "la chiave numero {0} contiene un a capo o uno spazio: le chiavi si separano con una virgola",
        ),
        (
            r"key (\d+) is not url-safe base64 of 32 bytes",
            "la chiave numero {0} non è il base64 (per URL) di 32 byte",
        ),
        (
            r"recipient (\d+) is not a person's fiscal code",
            "il destinatario numero {0} non è il codice fiscale di una persona",
        ),
        (r"recipient (\d+) is there twice", "il destinatario numero {0} c'è due volte"),
        (r"is no NCRONTAB schedule: the schedule never fires.*", "è un orario NCRONTAB che non viene mai"),
        (r"is no NCRONTAB schedule: .*?\"(.*)\".*", "non è un orario NCRONTAB: «{0}» non va bene"),
        (
            r"must hold no SAS token, query or password: the app's identity takes their place",
            "non deve avere token SAS, parametri o password: al loro posto c'è l'identità dell'app",
        ),
        (
            r"must be the address of the service, without a queue, table or container",
            "dev'essere l'indirizzo del servizio, senza coda, tabella o contenitore",
        ),
        (r"is the address of a (\S+) service", "è l'indirizzo di un servizio di altro tipo ({0})"),
    )
)


def setting_in_italian(line: str) -> str:
    """Return a line of a SettingsError, the name of a setting and its mistake, in Italian."""
    name, separator, mistake = line.partition(": ")
    return f"{name}{separator}{_mistake(mistake)}"


def _mistake(text: str) -> str:
    known = _MISTAKES.of(text, _mistake) or VALUES.of(text)
    if known:
        return known
    # The contract's own types put several rules on one line.
    return "; ".join(contract_rule(rule)[1] for rule in re.split(r"; (?=[a-z])", text))
