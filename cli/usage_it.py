"""What Typer and pydantic say of a wrong use, in Italian."""

import re
from typing import Final

from cli.phrases import Phrases

# The wishes of pydantic for a value, which settings and options share.
VALUES: Final = Phrases(
    (
        (r"Input should be a valid integer.*", "dev'essere un numero intero"),
        (r"Input should be a valid number.*", "dev'essere un numero, con il punto per i decimali"),
        (r"Input should be a valid boolean.*", "dev'essere true o false"),
        (r"Input should be a valid string", "dev'essere un testo"),
        (r"Input should be a valid (?:dictionary|tuple|list|array).*", "non ha la forma che deve avere"),
        (r"Input should be an object.*", "dev'essere un oggetto JSON"),
        (r"Input should be a valid dictionary or (?:object|instance).*", "dev'essere un oggetto JSON"),
        (r"Input should be greater than or equal to (\S+)", "dev'essere almeno {0}"),
        (r"Input should be less than or equal to (\S+)", "dev'essere al più {0}"),
        (r"Input should be greater than (\S+)", "dev'essere più di {0}"),
        (r"Input should be less than (\S+)", "dev'essere meno di {0}"),
        (r"Input should be (.+)", "dev'essere {0}"),
        (r"URL scheme should be 'http' or 'https'", "deve cominciare con https://"),
        (r"(?:String|Value) should have at least 1 (?:character|item).*", "è vuoto"),
        (r"Extra inputs are not permitted", "non è un nome noto qui"),
        (
            r"(.+) does not match the formats .+",
            "{0} non è una data: scrivila come 24/11/2026, con o senza l'ora, «24/11/2026 10:08»",
        ),
        (r"(.+) is not one of (.+)\.", "{0} non va bene: scegli tra {1}"),
    )
)
_USAGE: Final = Phrases(
    (
        (r"Missing argument '(.+?)'\..*", "Manca {0}."),
        (r"Missing option '(.+?)'\..*", "Manca l'opzione {0}."),
        (r"Missing parameter.*", "Manca un valore."),
        (r"Missing command\.", "Manca il comando: scegline uno dall'elenco di --help."),
        (r"No such command '(.+?)'\. Did you mean (.+)\?", "Il comando {0} non c'è. Forse {1}?"),
        (r"No such command '(.+?)'\.", "Il comando {0} non c'è: l'elenco è in --help."),
        (r"No such option: (\S+) \(Possible options: (.+)\)", "L'opzione {0} non c'è. Forse {1}?"),
        (r"No such option: (\S+)", "L'opzione {0} non c'è: l'elenco è in --help."),
        (r"Option '(.+?)' requires an argument\.", "L'opzione {0} vuole un valore."),
        (r"Option '(.+?)' does not take a value\.", "L'opzione {0} non vuole un valore."),
        (
            r"Got unexpected extra argument\(s\) \((.+)\)",
            "C'è qualcosa di troppo: {0}. Un valore con spazi va tra virgolette.",
        ),
        (r"Invalid value for '(.+?)': (.+)", "{0}: {1}."),
        (r"Invalid value: (.+)", "{0}."),
        (r"(?:file|dir|path) '(.+)' does not exist\.", "{0} non c'è"),
        (r"(?:file|dir|path) '(.+)' is a directory\.", "{0} è una cartella: serve un file"),
        (r"(?:file|dir|path) '(.+)' is a file\.", "{0} è un file: serve una cartella"),
        (r"(?:file|dir|path) '(.+)' is not (?:readable|writable)\.", "{0}: manca il permesso"),
        (r"Value error, (.+)", "{0}"),
    )
)


def in_italian(message: str) -> str:
    """Return what Typer says in Italian. A text in no table, such as our own, stays as it is."""
    said = _USAGE.of(message, in_italian) or VALUES.of(message) or message
    return re.sub(r"\.\.$", ".", _listed(said))


def _listed(text: str) -> str:
    """Return a text with its quoted words, and lists of them, as Italians write them."""
    quoted = re.sub(r"(?<!\w)'([^']*)'", r"«\1»", text)
    return re.sub(r"» or «", "» o «", quoted)
