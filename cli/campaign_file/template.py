"""The template of a campaign: a YAML head of Postino's own, and IO's markdown with placeholders.

A placeholder is `{{ column }}`, with filters, and `{% if column %}`. Nothing else of Jinja is allowed, so the
length of the output is bounded by the template and the row. Values are escaped for where they stand.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NoReturn, Self, get_args

import yaml
from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.sandbox import SandboxedEnvironment

from cli.campaign_file.cells import text_of
from cli.campaign_file.columns import template_key
from cli.campaign_file.findings import Place, Unusable, reason_of
from cli.campaign_file.italian import WrongValue, euros_of, local_time
from contract.fields import Language
from contract.request import MessageRequest

MOST_BYTES: Final = 256 * 1024

# Where each key of the head goes in the request. The first name is the one that errors print.
_PATHS: Final[Mapping[tuple[str, ...], str]] = {
    ("oggetto", "subject"): "content.subject",
    ("tipo", "feature_level_type"): "feature_level_type",
    ("canale_sicuro", "require_secure_channels"): "content.require_secure_channels",
    ("non_pagabile_dopo", "invalid_after_due_date"): "content.payment_data.invalid_after_due_date",
    ("solleciti", "reminders"): "reminders",
    ("contenuto_remoto", "remote_content"): "remote_content",
}
_HEAD: Final = {
    name: path
    for names, path in _PATHS.items()
    for name in names
    if path.partition(".")[0] in MessageRequest.model_fields
}
_SUBJECT: Final = ("oggetto", "subject")
_TYPES: Final = {"premium": "ADVANCED", "standard": "STANDARD"}

_FILE: Final = re.compile(r"---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)(.*)", re.DOTALL | re.MULTILINE)
# IO's own front matter, at the beginning of the markdown.
BUTTONS: Final = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_HINT: Final = "un nome non ha spazi, come {{ nome_cognome }}, e ogni {% if %} ha il suo {% endif %}"

_MARKDOWN: Final = re.compile(
    r"[\\`*_\[\]<>~|]|&(?=#?\w+;)|^[#+-]|(?<=^\d)[.)](?=\s|$)|(?<=^\d\d)[.)](?=\s|$)"
)
_MARK: Final = re.compile(r"\{[{%#]")
_LINK: Final = re.compile(r"https?://[^\s\\`*\[\]<>()|~]+")
_MONTHS: Final = (
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"
)

_ALLOWED: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Filter, nodes.Const),
    *(nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not),
)


class EmptyField(Exception):
    """The template writes a field that is empty in this row. `key` is the column's."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)


class WrongFilter(Exception):
    """A filter cannot write a value of this row."""

    def __init__(self, name: str, value: object) -> None:
        self.name, self.value = name, value
        super().__init__(name)


class Empty(Undefined):
    """An empty cell: false in a condition, an error when it is written."""

    def __init__(self, key: str) -> None:
        super().__init__(name=key)
        self.key = key


type Leaf = Callable[[Mapping[str, object]], Any]


@dataclass(frozen=True)
class Template:
    """A template with its translations, ready to render.

    `names`: how it writes each field that it uses, by key. `filters`: those that it applies to each field.
    """

    path: Path
    parts: Mapping[str, Leaf]
    names: Mapping[str, str]
    sources: Mapping[str, str]
    filters: Mapping[str, frozenset[str]]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a template and the translations beside it, NAME.en_GB.md. Raises Unusable."""
        reader = _Reader()
        reader.read(path, "content", _HEAD)
        for language, other in _translations(path):
            reader.read(other, f"translations.{language}", dict.fromkeys(_SUBJECT, "content.subject"))
        return cls(path, reader.parts, reader.names, reader.sources, reader.filters)

    @property
    def place(self) -> Place:
        """The template, as findings name it."""
        return Place(self.path.name)

    def place_of(self, path: str) -> Place:
        """Return the part of the template from which a field of the request comes."""
        language = re.match(r"translations\.(\w+)", path)
        file = self.path.with_suffix(f".{language[1]}.md") if language else self.path
        parts = {"subject": "oggetto", "markdown": "testo"}
        return Place(f"{file.name}: {parts.get(path.rpartition('.')[2], path)}")

    def render(self, fields: Mapping[str, object]) -> dict[str, Any]:
        """Return the values of the request by path. Raises EmptyField and WrongFilter."""
        try:
            return {path: leaf(fields) for path, leaf in self.parts.items()}
        except (UndefinedError, TypeError):  # a condition compares a text, or nothing, with a number
            raise WrongFilter("if", None) from None


def _translations(path: Path) -> Iterator[tuple[str, Path]]:
    languages = _languages()
    for other in sorted(path.parent.glob(f"{path.stem}.*.md")):
        language = other.name.removeprefix(f"{path.stem}.").removesuffix(".md")
        if language not in languages:
            known = ", ".join(languages)
            _fail(other, f"non è una traduzione: la lingua {language} non è tra {known}")
        yield language, other


def _languages() -> tuple[str, ...]:
    literal, _ = get_args(Language)
    return get_args(literal)


class _Reader:
    """Collects the compiled parts of a template's files."""

    def __init__(self) -> None:
        self.parts: dict[str, Leaf] = {}
        self.names: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.filters: dict[str, frozenset[str]] = {}
        self._environments: dict[Callable[[str], str], SandboxedEnvironment] = {
            escape: _environment(escape) for escape in (str, _for_markdown, _for_yaml)
        }

    def read(self, path: Path, prefix: str, known: Mapping[str, str]) -> None:
        """Read one file. Its text and subject go below `prefix`. Raises Unusable."""
        head, body, line = _split(path)
        if unknown := [str(name) for name in head if name not in known]:
            first = list(dict.fromkeys(known.values()))
            names = ", ".join(next(name for name in known if known[name] == one) for one in first)
            _fail(path, f"ha in testa la chiave sconosciuta «{unknown[0]}»: le chiavi sono {names}")
        if not any(head.get(name) for name in _SUBJECT):
            _fail(path, "non ha in testa l'oggetto: aggiungi una riga come «oggetto: Avviso TARI 2026»")
        for name, value in head.items():
            target = known[name].replace("content.", f"{prefix}.", 1) if prefix != "content" else known[name]
            if target in self.parts:
                _fail(path, f"ha in testa due volte la stessa chiave («{name}»)")
            self.parts[target] = self._leaf(path, _meaning(target, value), target)
        self.parts[f"{prefix}.markdown"] = self._body(path, body, line)
        self.sources[f"{prefix}.markdown"] = body

    def _leaf(self, path: Path, value: object, target: str) -> Leaf:
        match value:
            case str():
                return self._compile(path, value, _for_markdown if target.endswith("markdown") else str)
            case dict():
                leaves = {str(name): self._leaf(path, item, str(name)) for name, item in value.items()}
                return lambda fields: {name: leaf(fields) for name, leaf in leaves.items()}
            case list():
                items = [self._leaf(path, item, target) for item in value]
                return lambda fields: [leaf(fields) for leaf in items]
            case None | bool() | int() | float():
                return lambda fields: value
            case _:
                plain = str(value)
                return lambda fields: plain

    def _body(self, path: Path, body: str, line: int) -> Leaf:
        found = BUTTONS.match(body)
        end = found.end() if found else 0
        buttons = self._compile(path, body[:end], _for_yaml, line)
        text = self._compile(path, body[end:], _for_markdown, line + body[:end].count("\n"))
        return lambda fields: buttons(fields) + text(fields)

    def _compile(
        self, path: Path, source: str, escape: Callable[[str], str], above: int | None = None
    ) -> Leaf:
        """Compile a source with `above` lines above it in the file; None for a text of the head."""
        if not _MARK.search(source):
            return lambda fields: source
        environment = self._environments[escape]
        try:
            tree = environment.parse(source)
        except TemplateSyntaxError as error:
            _fail(path, f"ha {_where(error.lineno, above)} un segnaposto che non si capisce: {_HINT}")
        for node in tree.find_all(nodes.Node):
            _check(path, node, above)
        for key, filter_ in _filtered(tree):
            self.filters[key] = self.filters.get(key, frozenset()) | {filter_}
        for name in tree.find_all(nodes.Name):
            key = template_key(name.name)
            self.names.setdefault(key, name.name)
            name.name = f"_{key}"  # a key may begin with a digit
        template = environment.from_string(tree)
        return lambda fields: template.render({f"_{key}": value for key, value in fields.items()})


def _split(path: Path) -> tuple[dict[str, Any], str, int]:
    """Return the head, the body and the number of lines above the body."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        _fail(path, f"non si può leggere: {reason_of(error)}")
    except UnicodeDecodeError:
        _fail(path, "non è un testo in UTF-8")
    if len(data) > MOST_BYTES:
        _fail(path, f"è troppo grande: al più {MOST_BYTES // 1024} KB")
    found = _FILE.match(text)
    if not found:
        _fail(
            path, "deve cominciare con una testa tra due righe '---', per esempio «oggetto: Avviso TARI 2026»"
        )
    body = found[2].lstrip("\n")
    above = text[: len(text) - len(body)].count("\n")
    return _head(path, found[1]), body.rstrip("\n") + "\n", above


def _head(path: Path, text: str) -> dict[str, Any]:
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.CSafeLoader)):
            _fail(path, "ha in testa un alias di YAML, che non si può usare")
        head = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" alla riga {mark.line + 2}" if mark else ""
        _fail(path, f"ha una testa che non è YAML{where}: metti i testi tra virgolette")
    if not isinstance(head, dict):
        _fail(path, "deve avere in testa delle chiavi, per esempio «oggetto: Avviso TARI 2026»")
    return head


def _meaning(target: str, value: object) -> object:
    if target == "feature_level_type":
        return _TYPES.get(str(value).casefold(), value)
    return str(value) if target.endswith(".subject") else value


def _check(path: Path, node: nodes.Node, above: int | None) -> None:
    if not isinstance(node, _ALLOWED):
        what = f"ciò che non è un campo, un filtro o un «if» ({type(node).__name__})"
        _fail(path, f"usa {_where(node.lineno, above)} {what}")
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        what = f"il filtro «{node.name}», che non c'è: i filtri sono {', '.join(_FILTERS)}"
        _fail(path, f"usa {_where(node.lineno, above)} {what}")


def _filtered(tree: nodes.Template) -> Iterator[tuple[str, str]]:
    """Yield each field to which a filter is applied, with the filter."""
    for node in tree.find_all(nodes.Filter):
        of: nodes.Node | None = node.node
        while isinstance(of, nodes.Filter):
            of = of.node
        if isinstance(of, nodes.Name):
            yield template_key(of.name), node.name


def _where(line: int, above: int | None) -> str:
    return "in testa" if above is None else f"alla riga {above + line}"


def _fail(path: Path, why: str) -> NoReturn:
    raise Unusable.because("modello", Place(path.name), why=why)


def _environment(escape: Callable[[str], str]) -> SandboxedEnvironment:
    def finalize(value: object) -> str:
        if isinstance(value, Empty):
            raise EmptyField(value.key)
        return escape(text_of(value))

    environment = SandboxedEnvironment(
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters = dict(_FILTERS)
    return environment


def _for_markdown(text: str) -> str:
    """Escape a value so that it shows as it is. A line break would end a paragraph or begin a list."""
    text = " ".join(text.split())
    return text if _LINK.fullmatch(text) else _MARKDOWN.sub(lambda found: f"\\{found[0]}", text)


def _for_yaml(text: str) -> str:
    """Escape a value for a string between double quotes."""
    return " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')


def _euro(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{text_of(value)} €"
    try:
        return f"{text_of(euros_of(_present(value)))} €"
    except WrongValue:
        raise WrongFilter("euro", value) from None


def _day(value: object) -> str:
    return f"{_moment('data', value):%d/%m/%Y}"


def _long_day(value: object) -> str:
    day = _moment("data_lunga", value)
    number = "1º" if day.day == 1 else str(day.day)
    return f"{number} {_MONTHS.split()[day.month - 1]} {day.year}"


def _hour(value: object) -> str:
    return f"{_moment('ora', value):%H:%M}"


def _moment(name: str, value: object) -> datetime:
    try:
        return local_time(value if isinstance(value, datetime | date) else _present(value))
    except WrongValue:
        raise WrongFilter(name, value) from None


def _present(value: object) -> str:
    if isinstance(value, Empty):
        raise EmptyField(value.key)
    return text_of(value)


def _default(value: object, other: str) -> object:
    return other if isinstance(value, Empty) else value


_FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    "euro": _euro,
    "data": _day,
    "data_lunga": _long_day,
    "ora": _hour,
    "maiuscolo": lambda value: _present(value).upper(),
    "minuscolo": lambda value: _present(value).lower(),
    "iniziali": lambda value: _present(value).title(),
    "oppure": _default,
}
