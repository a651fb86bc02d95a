"""The advice of IO's manual and guide that the contract does not enforce: subject, links, markdown."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt

_NOTICE: Final = re.compile(r"(?<!\d)[0-3]\d{17}(?!\d)")
_IBAN: Final = re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Z0-9])")
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w")
_PHONE: Final = re.compile(
    r"(?<![\d/])(?:\+39[ .-]?|0039[ .-]?)?(?:3\d{2}|0\d{1,3})(?:[ .-]?\d){6,8}(?![\d/])"
)
_WORD: Final = re.compile(r"\w+")
# What the Garante calls special categories, in the words of a municipality or a health authority.
_DELICATE: Final = """asl carcere condanna diagnosi dialisi dimissione disabile disabili disabilità epatite
esami gravidanza handicap hiv indigenza invalidità malattia mammografia metadone oncologia oncologica
oncologico patologia pignoramento prenatale psichiatria psichiatrica psicologica psicologico referto ricovero
screening serd sfratto sieropositivo tampone terapia tossicodipendenza trapianto tumore tumori vaccinazione
vaccino"""
_SHORTENERS: Final = """bit.ly buff.ly cutt.ly goo.gl is.gd ow.ly rb.gy rebrand.ly s.id shorturl.at t.co t.ly
tiny.cc tinyurl.com"""
_URL: Final = re.compile(r"(?<![\w/])(?:https?://|www\.)[^\s<>()\[\]\"'`]+", re.IGNORECASE)
_PLACEHOLDER: Final = re.compile(r"\{#.*?#\}|\{%.*?%\}|(\{\{.*?\}\})", re.DOTALL)
_SHORTEST_NAME: Final = 3
_SHORTEST_SHOUT: Final = 8


def subject_codes(subject: str, names: Iterable[str] = ()) -> Iterator[str]:
    """Yield the codes of the rules that a subject breaks. `names` are the recipient's, from the row."""
    if _personal_name(subject, names):
        yield "oggetto-nome"
    yield from (code for code, breaks in _SUBJECT.items() if breaks(subject))


def _is_shout(subject: str) -> bool:
    letters = "".join(filter(str.isalpha, subject))
    return len(letters) >= _SHORTEST_SHOUT and letters.isupper()


_SUBJECT: Final[Mapping[str, Callable[[str], object]]] = {
    "oggetto-avviso": _NOTICE.search,
    "oggetto-iban": lambda subject: any(_is_iban(found[0]) for found in _IBAN.finditer(subject)),
    "oggetto-email": _EMAIL.search,
    "oggetto-telefono": _PHONE.search,
    "oggetto-emoji": lambda subject: any(unicodedata.category(sign) == "So" for sign in subject),
    "oggetto-maiuscolo": _is_shout,
    "oggetto-a-capo": lambda subject: "\n" in subject,
}


def delicate_word(subject: str) -> str | None:
    """Return a word about health or other special categories of data; None if there is none."""
    words = (word.casefold() for word in _WORD.findall(subject))
    return next((word for word in words if word in _DELICATE.split()), None)


def link_codes(text: str) -> Iterator[str]:
    """Yield the codes of the rules that the links in a text break."""
    if "http" not in text and "www." not in text.lower():
        return
    codes = (_link_code(found[0].rstrip(".,;:!?")) for found in _URL.finditer(text))
    yield from dict.fromkeys(code for code in codes if code)


def without_placeholders(source: str) -> str:
    """Return the source of a template with a word in place of each placeholder, and all its branches."""
    return _PLACEHOLDER.sub(lambda found: "valore" if found[1] else "", source)


@cache
def markdown_codes(text: str) -> tuple[str, ...]:
    """Return the codes for markdown that IO does not show."""
    kinds = {kind for token in _parser().parse(text) for kind in (token.type, *_inside(token.children))}
    codes = {
        "testo-html": {"html_block", "html_inline"},
        "testo-immagine": {"image"},
        "testo-tabella": {"table_open"},
    }
    return tuple(code for code, wanted in codes.items() if wanted & kinds)


def _inside(children: Iterable[object] | None) -> Iterator[str]:
    for child in children or ():
        yield str(getattr(child, "type", ""))
        yield from _inside(getattr(child, "children", None))


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table")


def _personal_name(subject: str, names: Iterable[str]) -> bool:
    words = {word.casefold() for word in _WORD.findall(subject)}
    return any(
        word.casefold() in words
        for name in names
        for word in _WORD.findall(name)
        if len(word) >= _SHORTEST_NAME
    )


def _is_iban(text: str) -> bool:
    plain = text.replace(" ", "")
    digits = "".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])
    return int(digits) % 97 == 1


def _link_code(link: str) -> str | None:
    if link.lower().startswith("www."):
        return "link-senza-protocollo"
    try:
        parts = urlsplit(link)
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    if _is_address(host):
        return "link-ip"
    if host.removeprefix("www.") in _SHORTENERS.split():
        return "link-abbreviato"
    return "link-http" if parts.scheme.lower() == "http" else None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
