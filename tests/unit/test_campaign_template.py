"""Templates: a head, IO's markdown, placeholders and translations."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from cli.campaign_file.findings import Unusable
from cli.campaign_file.template import Empty, EmptyField, Template, WrongFilter
from tests.campaigns import write_template

HEAD = '---\noggetto: "Avviso"\n---\n'


def _load(tmp_path: Path, text: str, **translations: str) -> Template:
    return Template.load(write_template(tmp_path / "a.md", text, translations))


def _rendered(tmp_path: Path, body: str, **fields: object) -> str:
    values = _load(tmp_path, HEAD + body).render(fields)
    return str(values["content.markdown"])


def _why(tmp_path: Path, text: str, **translations: str) -> str:
    with pytest.raises(Unusable) as raised:
        _load(tmp_path, text, **translations)
    (finding,) = raised.value.findings
    assert finding.code == "modello"
    return f"{finding.place}: {finding.sentence}"


def test_head_and_body_go_to_their_fields(tmp_path: Path) -> None:
    """The head's keys, Italian or English, go where the request has them; placeholders work in them too."""
    head = (
        '---\noggetto: "TARI {{ Anno }}"\nfeature_level_type: Premium\ncanale_sicuro: true\n'
        'solleciti: {unread: {after_days: 7, subject: "Ciao {{ nome }}", markdown: "{{ nome }}"}}\n---\n\n'
    )
    template = _load(tmp_path, head + "Testo\r\n")
    assert template.names == {"anno": "Anno", "nome": "nome"}
    assert template.render({"anno": "2026", "nome": "A*"}) == {
        "content.subject": "TARI 2026",
        "feature_level_type": "ADVANCED",
        "content.require_secure_channels": True,
        "reminders": {"unread": {"after_days": 7, "subject": "Ciao A*", "markdown": "A\\*"}},
        "content.markdown": "Testo\n",
    }


def test_translation_beside_the_template(tmp_path: Path) -> None:
    """NAME.en_GB.md is the English text, and uses the same columns."""
    template = _load(tmp_path, HEAD + "Ciao", en_GB='---\nsubject: "Notice {{ year }}"\n---\nHello')
    values = template.render({"year": "2026"})
    assert values["translations.en_GB.subject"] == "Notice 2026"
    assert values["translations.en_GB.markdown"] == "Hello\n"
    assert str(template.place_of("translations.en_GB.markdown")) == "a.en_GB.md: testo"
    assert str(template.place_of("content.subject")) == "a.md: oggetto"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("{{ Nome_Cognome }}", "Anna"),
        ("{{ NOMECOGNOME }}", "Anna"),
        ("{{ importo }}", "1.234,50"),
        ("{{ amount | euro }}", "1.234,50 €"),
        ("{{ acconto | euro }}", "19,99 €"),
        ("{{ giorno | data }}", "01/07/2026"),
        ("{{ giorno | data_lunga }}", "1º luglio 2026"),
        ("{{ giorno | ora }}", "09:30"),
        ("{{ nomecognome | maiuscolo }}", "ANNA"),
        ("{{ nomecognome | minuscolo }}", "anna"),
        ("{{ maiuscole | iniziali }}", "Anna Maria"),
        ("{{ vuota | oppure('nessuna') }}", "nessuna"),
        ("{{ nomecognome | oppure('nessuna') }}", "Anna"),
        ("{% if vuota %}c'è{% else %}manca{% endif %}", "manca"),
        ("{% if rate == '2' and not vuota %}due{% endif %}", "due"),
        ("{{ 'caro' if importo > 1000 else 'poco' }}", "caro"),
        ("prima\n{% if vuota %}\nc'è\n{% endif %}\ndopo", "prima\ndopo"),
        ("{# nota #}x", "x"),
    ],
)
def test_placeholder(tmp_path: Path, body: str, text: str) -> None:
    """Names, filters and conditions write what they say, as Italians write it."""
    fields = {
        "nomecognome": "Anna",
        "importo": Decimal("1234.50"),
        "acconto": "19,99",
        "giorno": "1/7/2026 9:30",
        "maiuscole": "ANNA MARIA",
        "rate": "2",
        "vuota": Empty("vuota"),
    }
    assert _rendered(tmp_path, body, **fields).rstrip("\n") == text


@pytest.mark.parametrize(
    "body",
    ["{{ vuota }}", "{{ vuota | euro }}", "{{ vuota | data }}", "{{ vuota | maiuscolo }}"],
)
def test_empty_field_is_not_written(tmp_path: Path, body: str) -> None:
    """A field that is empty in a row is an error where it is written."""
    with pytest.raises(EmptyField) as raised:
        _rendered(tmp_path, body, vuota=Empty("vuota"))
    assert raised.value.key == "vuota"


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("{{ 'ieri' | euro }}", "euro"),
        ("{{ x | euro }}", "euro"),
        ("{{ x | data }}", "data"),
        ("{{ 1 if x > 2 else 3 }}", "if"),
    ],
)
def test_value_that_a_filter_cannot_write(tmp_path: Path, body: str, name: str) -> None:
    """A filter names itself when a value is not for it."""
    with pytest.raises(WrongFilter) as raised:
        _rendered(tmp_path, body, x="ieri")
    assert raised.value.name == name


@pytest.mark.parametrize(
    "value",
    [
        "*Anna*",
        "_Anna_ [x](y)",
        "# titolo",
        "- punto",
        "+ punto",
        "1. punto",
        "12) punto",
        "<b>x</b>",
        "a & b &amp; &#42;",
        "`x` ~~y~~ |z|",
        "\\",
        "riga\n\n---\nuna",
        "https://www.comune.example.it/a_b?c=1&amp=2",
    ],
)
def test_value_shows_as_it_is(tmp_path: Path, value: str) -> None:
    """Whatever a cell contains shows as written, and begins no list, link, heading or paragraph."""
    rendered = _rendered(tmp_path, "{{ x }}", x=value)
    (_, inline, _) = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(rendered)
    assert [
        child.content for child in inline.children or () if child.type not in ("text", "text_special")
    ] == []
    assert "".join(child.content for child in inline.children or ()) == " ".join(value.split())


def test_value_in_a_button_is_escaped_for_yaml(tmp_path: Path) -> None:
    """Quotes, backslashes and line breaks in a cell stay inside the text of a button."""
    button = '{text: "Vai a {{ x }}", action: "iohandledlink://https://a.it"}'
    body = f"---\nit:\n  cta_1: {button}\n---\nTesto {{{{ x }}}}"
    rendered = _rendered(tmp_path, body, x='a "b" \\ c\nd_')
    head, _, text = rendered.removeprefix("---\n").partition("---\n")
    assert yaml.safe_load(head)["it"]["cta_1"]["text"] == 'Vai a a "b" \\ c d_'
    assert text == 'Testo a "b" \\\\ c d\\_\n'


@pytest.mark.parametrize(
    "body",
    [
        "{% for x in y %}{{ x }}{% endfor %}",
        "{% set x = 1 %}",
        "{% macro x() %}{% endmacro %}",
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{{ x() }}",
        "{{ x.y }}",
        "{{ x['y'] }}",
        "{{ x * 1000000 }}",
        "{{ 10 ** 10 }}",
        "{{ [1, 2] }}",
        "{{ x is defined }}",
    ],
)
def test_rest_of_jinja_is_refused(tmp_path: Path, body: str) -> None:
    """Loops, calls, attributes and arithmetic, with which a template could do anything, are refused."""
    assert "non è un campo, un filtro o un «if»" in _why(tmp_path, HEAD + body)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Testo", "deve cominciare con una testa"),
        ("---\ntipo: premium\n---\nTesto", "non ha in testa l'oggetto"),
        ("---\noggetto:\n---\nTesto", "non ha in testa l'oggetto"),
        ("---\noggetto: Avviso\ncolore: blu\n---\nTesto", "chiave sconosciuta «colore»"),
        ("---\noggetto: Avviso\nsubject: Notice\n---\nTesto", "due volte la stessa chiave"),
        ("---\noggetto: [\n---\nTesto", "non è YAML alla riga 3"),
        ("---\noggetto: &a Avviso\ntipo: *a\n---\nTesto", "alias"),
        ("---\nsoltanto testo\n---\nTesto", "deve avere in testa delle chiavi"),
        (HEAD + "riga\n{{ nome cognome }}", "alla riga 5 un segnaposto"),
        (HEAD + "{{ x | shout }}", "usa alla riga 4 il filtro «shout», che non c'è"),
    ],
)
def test_mistake_of_a_template(tmp_path: Path, text: str, why: str) -> None:
    """Each mistake is told with the file and what to do."""
    found = _why(tmp_path, text)
    assert found.startswith("a.md: ")
    assert why in found


@pytest.mark.parametrize(
    ("language", "text", "why"),
    [
        ("it_IT", HEAD, "la lingua it_IT non è tra en_GB"),
        ("en", HEAD, "la lingua en non è tra"),
        ("en_GB", "---\ntipo: premium\n---\nHello", "chiave sconosciuta «tipo»"),
    ],
)
def test_mistake_of_a_translation(tmp_path: Path, language: str, text: str, why: str) -> None:
    """A translation has a language of IO, a subject and a text, and nothing else."""
    assert why in _why(tmp_path, HEAD + "Testo", **{language: text})


@pytest.mark.parametrize("data", [b"---\noggetto: \xe0\n---\n", b"---\n" + b"x" * 300_000, None])
def test_file_that_is_no_template(tmp_path: Path, data: Any) -> None:
    """A file in another encoding, a huge one and none at all are told."""
    path = tmp_path / "a.md"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(Unusable):
        Template.load(path)
