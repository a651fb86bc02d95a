"""The headers of a campaign's file."""

import pytest

from cli.campaign_file.cells import Row
from cli.campaign_file.columns import FIELDS, Columns, key_of
from cli.campaign_file.findings import Place, Unusable


def _columns(*header: str | None) -> Columns:
    return Columns.of(Row(1, header))


def _findings(*header: str | None) -> list[tuple[str, str | None]]:
    with pytest.raises(Unusable) as raised:
        _columns(*header)
    return [(one.code, one.place.letter if one.place else None) for one in raised.value.findings]


@pytest.mark.parametrize(
    ("header", "path"),
    [
        ("Codice Fiscale", "fiscal_code"),
        ("CODICE_FISCALE", "fiscal_code"),
        ("codicefiscale", "fiscal_code"),
        ("C.F.", "fiscal_code"),
        ("fiscal_code", "fiscal_code"),
    ],
)
def test_field_by_any_of_its_names(header: str, path: str) -> None:
    """Case, spaces, signs and the language make no difference."""
    assert path in _columns(header).by_path


def test_every_field_has_an_italian_and_an_english_name() -> None:
    """No two fields share a name, and each has at least two."""
    keys = [key_of(name) for field in FIELDS for name in field.names]
    assert len(keys) == len(set(keys))
    assert all(len(field.names) >= 2 for field in FIELDS)
    assert key_of("Priorità") == key_of("priorita")


def test_other_columns_are_for_the_template() -> None:
    """A header that is no field is a column of the template, and told if the template does not use it."""
    columns = _columns("cf", "Nome e Cognome", "Via")
    assert set(columns.by_key) == {"codicefiscale", "nomeecognome", "via"}
    assert columns.unused({"nomeecognome"}) == ["Via"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (("nome",), [("colonna-mancante", None)]),
        (("cf", "importo"), [("colonna-mancante", None)]),
        (("cf", "numero avviso"), [("colonna-mancante", None)]),
        (("cf", "Codice fiscale"), [("campo-ripetuto", "B")]),
        (("cf", "CF"), [("intestazione-ripetuta", "B")]),
        (("cf", "nome", "Nome"), [("intestazione-ripetuta", "C")]),
        (("cf", None, "nome"), [("intestazione-vuota", "B")]),
        (("cf", "€", "nome"), [("intestazione-vuota", "B")]),
    ],
)
def test_mistake_of_a_header(header: tuple[str | None, ...], expected: list[tuple[str, str | None]]) -> None:
    """Each mistake is found, with its column."""
    assert _findings(*header) == expected


def test_all_mistakes_are_told_at_once() -> None:
    """The operator sees every mistake of the headers, not only the first."""
    assert {code for code, _ in _findings("nome", "Nome", None, "importo")} == {
        "intestazione-ripetuta",
        "intestazione-vuota",
        "colonna-mancante",
    }


def test_header_without_content() -> None:
    """A header row without any header is an empty file."""
    assert _findings(None) == [("file-vuoto", None)]


def test_field_that_requests_do_not_have_yet_is_refused() -> None:
    """A column of a field that this version cannot send is an error, never a message without it."""
    unavailable = [field for field in FIELDS if not field.is_available]
    assert [_findings("cf", field.name)[0] for field in unavailable] == [
        ("colonna-non-disponibile", "B") for _ in unavailable
    ]


def test_fields_of_the_template_must_be_in_the_file() -> None:
    """Every field that the template uses and no column holds is named."""
    with pytest.raises(Unusable) as raised:
        _columns("cf").check_template({"nome": "Nome", "via": "via"}, Place("a.md"))
    assert ["«Nome»" in one.sentence or "«via»" in one.sentence for one in raised.value.findings] == [
        True,
        True,
    ]
