"""A campaign is checked wholly before anything leaves: one mistake of each kind is found at its place."""

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli.campaign_file import findings as findings_module
from cli.campaign_file.findings import Finding, Findings, Place
from cli.campaign_file.linter import Checked, Linter
from cli.campaign_file.text_rules import link_codes, markdown_codes, subject_codes, without_placeholders
from cli.rules_it import level_of
from tests.campaigns import a_fiscal_code, a_notice_number, opened, write_csv, write_template, write_xlsx
from tests.fakes import FakeClock

HEADER = (
    *("Codice fiscale", "Nome", "Importo", "Numero avviso", "Scadenza", "Id", "Invia dal", "Invia entro"),
    *("Ente creditore", "Titolo", "Note", "Acconto"),
)
LETTERS = dict(zip((name.lower().replace(" ", "_") for name in HEADER), "ABCDEFGHIJKL", strict=True))
TEMPLATE = """---
oggetto: "{{ titolo }}"
tipo: premium
---
Gentile {{ nome }}, l'avviso di pagamento è pronto: {{ importo | euro }} entro il {{ scadenza | data }}.
{% if note %}Nota: {{ note }}.{% endif %}{% if acconto %}Acconto: {{ acconto | euro }}.{% endif %}
Puoi pagarlo da qui, dal sito del Comune o in banca.
"""
SUBJECT = "tari.md: oggetto"
TEXT = "tari.md: testo"
IBAN = "IT60X0542811101000000123456"
# The code of a kind of mistake, the cells that make it, and the column or part of the template to be named.
KINDS: list[tuple[str, dict[str, Any], str]] = [
    ("codice-fiscale", {"codice_fiscale": "RSSMRA"}, "codice_fiscale"),
    ("obbligatorio", {"codice_fiscale": None}, "codice_fiscale"),
    ("codice-fiscale-corretto", {"codice_fiscale": a_fiscal_code(900).lower()}, "codice_fiscale"),
    ("codice-fiscale-ente", {"codice_fiscale": "01234567890"}, "codice_fiscale"),
    ("codice-fiscale-controllo", {"codice_fiscale": "RSSMRA80A01H501A"}, "codice_fiscale"),
    ("cella-vuota", {"nome": None}, "nome"),
    ("testo-storpiato", {"nome": "Nicolò".encode().decode("cp1252")}, "nome"),
    ("cella-errore", {"nome": "#N/A"}, "nome"),
    ("formula-senza-valore", {"nome": "=A1"}, "nome"),
    ("importo-illeggibile", {"importo": "dodici"}, "importo"),
    ("importo-ambiguo", {"importo": "1.234"}, "importo"),
    ("importo-decimali", {"importo": 12.345}, "importo"),
    ("importo-negativo", {"importo": -1}, "importo"),
    ("importo-zero", {"importo": 0}, "importo"),
    ("importo-massimo", {"importo": "500,01"}, "importo"),
    ("massimo", {"importo": "100.000.000,00"}, "importo"),
    ("obbligatorio", {"numero_avviso": None}, "numero_avviso"),
    ("numero-avviso", {"numero_avviso": "901000000000000012"}, "numero_avviso"),
    ("avviso-numero", {"numero_avviso": 302000100000012336}, "numero_avviso"),
    ("avviso-esponente", {"numero_avviso": "3,02E+17"}, "numero_avviso"),
    ("avviso-decimale", {"numero_avviso": "302000100000012336.0"}, "numero_avviso"),
    ("avviso-zero-perso", {"numero_avviso": "02000100000012336"}, "numero_avviso"),
    ("avviso-corretto", {"numero_avviso": "'" + a_notice_number(900)}, "numero_avviso"),
    ("avviso-arrotondato", {"numero_avviso": "302000100000012000"}, "numero_avviso"),
    ("avviso-controllo", {"numero_avviso": "302000100000012399"}, "numero_avviso"),
    ("data-illeggibile", {"scadenza": "fine mese"}, "scadenza"),
    ("data-inesistente", {"scadenza": "29/02/2027"}, "scadenza"),
    ("data-anno-breve", {"scadenza": "31/12/26"}, "scadenza"),
    ("data-numero", {"scadenza": 46387}, "scadenza"),
    ("data-fuori-limiti", {"scadenza": "31/12/2150"}, "scadenza"),
    ("ora-inesistente", {"scadenza": "28/03/2027 02:30"}, "scadenza"),
    ("scadenza-passata", {"scadenza": datetime.fromisoformat("2026-11-23")}, "scadenza"),
    ("termine-passato", {"invia_entro": "23/11/2026"}, "invia_entro"),
    ("termine-prima-dell-inizio", {"invia_dal": "01/12/2026", "invia_entro": "30/11/2026"}, "invia_entro"),
    ("codice-fiscale-di-ente", {"ente_creditore": "123"}, "ente_creditore"),
    ("caratteri", {"id": "n° 1"}, "id"),
    ("codice-fiscale-in-chiaro", {"id": f"x-{a_fiscal_code(901)}"}, "id"),
    ("id-ripetuto", {"id": "primo"}, "id"),
    ("avviso-ripetuto", {"numero_avviso": a_notice_number(1)}, "numero_avviso"),
    ("destinatario-ripetuto", {"codice_fiscale": a_fiscal_code(1)}, "codice_fiscale"),
    ("filtro", {"acconto": "un po'"}, "acconto"),
    ("lunghezza", {"titolo": "Breve"}, SUBJECT),
    ("lunghezza", {"note": "molto " * 1700}, TEXT),
    ("oggetto-codice-fiscale", {"titolo": f"Avviso per {a_fiscal_code(902)}"}, SUBJECT),
    ("oggetto-nome", {"titolo": "Avviso per la signora Annamaria"}, SUBJECT),
    ("oggetto-avviso", {"titolo": f"Avviso {a_notice_number(903)}"}, SUBJECT),
    ("oggetto-iban", {"titolo": f"Paga su {IBAN}"}, SUBJECT),
    ("oggetto-email", {"titolo": "Scrivi a tari@comune.example.it"}, SUBJECT),
    ("oggetto-telefono", {"titolo": "Chiama il 06 1234567"}, SUBJECT),
    ("oggetto-salute", {"titolo": "Il referto della tua visita"}, SUBJECT),
    ("oggetto-emoji", {"titolo": "Avviso TARI 2026 📬"}, SUBJECT),
    ("oggetto-maiuscolo", {"titolo": "AVVISO TARI 2026"}, SUBJECT),
    ("oggetto-a-capo", {"titolo": "Avviso\nTARI 2026"}, SUBJECT),
    ("link-http", {"note": "vai su http://www.comune.example.it"}, "note"),
    ("link-abbreviato", {"note": "vai su https://bit.ly/tari"}, "note"),
    ("link-ip", {"note": "vai su https://192.0.2.1/tari"}, "note"),
    ("link-senza-protocollo", {"note": "vai su www.comune.example.it"}, "note"),
]


def _row(number: int, **changes: Any) -> tuple[Any, ...]:
    usual: dict[str, Any] = {
        "codice_fiscale": a_fiscal_code(number),
        "nome": "Annamaria",
        "importo": 19.99,
        "numero_avviso": a_notice_number(number),
        "scadenza": datetime.fromisoformat("2026-12-31"),
        "id": f"id-{number}",
        "titolo": "Avviso TARI 2026",
    }
    return tuple({**dict.fromkeys(LETTERS), **usual, **changes}.values())


def _checked(path: Path, template: str = TEMPLATE, most_cents: int | None = None) -> Checked:
    campaign = opened(path, write_template(path.with_name("tari.md"), template))
    linter = Linter(requests=campaign.requests, now=FakeClock().now, most_cents=most_cents)
    return linter.check(campaign.results())


def _found(checked: Checked) -> list[tuple[int | None, str, str]]:
    return [
        (one.row, one.code, (one.place.letter or one.place.name) if one.place else "")
        for one in checked.findings
    ]


def test_one_mistake_of_each_kind(tmp_path: Path) -> None:
    """Each of the mistakes is found once, in its row and column, and no other; nothing may be sent."""
    rows = [_row(1, id="primo"), *(_row(number, **cells) for number, (_, cells, _) in enumerate(KINDS, 2))]
    checked = _checked(write_xlsx(tmp_path / "tari.xlsx", rows, HEADER), most_cents=50_000)
    expected = [(row, code, LETTERS.get(place, place)) for row, (code, _, place) in enumerate(KINDS, start=3)]
    also = (3 + [code for code, _, _ in KINDS].index("massimo"), "importo-massimo", "C")
    assert len({code for code, _, _ in KINDS}) >= 40
    assert sorted(_found(checked)) == sorted([*expected, also])
    assert checked.findings.blocking() == len(expected) + 1
    assert checked.rows == len(rows)


def test_row_of_a_csv_is_the_row_of_the_spreadsheet(tmp_path: Path) -> None:
    """Blank rows and line breaks in cells before it leave a mistake in the row that the spreadsheet shows."""
    rows = [_row(1, scadenza="31/12/2026", note="due\nrighe"), (), _row(2, scadenza="ieri")]
    assert _found(_checked(write_csv(tmp_path / "tari.csv", rows, HEADER))) == [(4, "data-illeggibile", "E")]


def test_value_beyond_the_last_header(tmp_path: Path) -> None:
    """A value in a column without a header is an error of its row."""
    rows = [(*_row(1, scadenza="31/12/2026"), None, "x")]
    assert _found(_checked(write_csv(tmp_path / "tari.csv", rows, HEADER))) == [(2, "celle-in-piu", "N")]


def test_file_without_mistakes(tmp_path: Path) -> None:
    """A file without mistakes has no finding, and its rows and amounts are counted."""
    rows = [_row(number) for number in range(10)]
    checked = _checked(write_xlsx(tmp_path / "tari.xlsx", rows, HEADER))
    assert (_found(checked), checked.rows, checked.payments, checked.cents) == ([], 10, 10, 19990)


def test_row_without_a_payment(tmp_path: Path) -> None:
    """A row with neither amount nor notice number is a message without a payment."""
    template = "---\noggetto: Avviso TARI 2026\nnon_pagabile_dopo: true\n---\n" + "Testo per te. " * 9
    rows = [_row(1, importo=None, numero_avviso=None, scadenza=None), _row(2)]
    checked = _checked(write_xlsx(tmp_path / "tari.xlsx", rows, HEADER), template)
    assert (_found(checked), checked.payments) == ([], 1)


def test_checkbox_of_a_workbook_is_true_or_false(tmp_path: Path) -> None:
    """A cell that is FALSE in a workbook is false in a condition."""
    template = "---\noggetto: Avviso TARI 2026\n---\n{% if note %}Sì{% else %}No{% endif %} " + "per te " * 12
    path = write_xlsx(tmp_path / "tari.xlsx", [_row(1, note=False), _row(2, note=True)], HEADER)
    results = opened(path, write_template(tmp_path / "tari.md", template)).results()
    texts = [result.request.content.markdown[:2] for result in results if result.request]
    assert texts == ["No", "Sì"]


def test_file_with_only_a_header(tmp_path: Path) -> None:
    """A file without any row to send is an error."""
    assert _found(_checked(write_csv(tmp_path / "tari.csv", [], HEADER))) == [(None, "file-vuoto", "")]


def test_person_twice_without_a_notice_needs_ids(tmp_path: Path) -> None:
    """Two messages to one person without notices are the same request, unless a column has their ids."""
    header = ("cf", "nome")
    template = "---\noggetto: Avviso TARI 2026\n---\n" + "Testo per te. " * 9
    rows = [(a_fiscal_code(1), "a"), (a_fiscal_code(1), "b")]
    assert _found(_checked(write_csv(tmp_path / "a.csv", rows, header), template)) == [
        (3, "id-ripetuto", "A")
    ]
    numbered = [(code, name, number) for number, (code, name) in enumerate(rows)]
    checked = _checked(write_csv(tmp_path / "b.csv", numbered, (*header, "id")), template)
    assert _found(checked) == [(3, "destinatario-ripetuto", "A")]


def test_mistake_of_the_template_is_shown_for_a_few_rows(tmp_path: Path) -> None:
    """A button that the app would drop is shown for five rows, with the number of the others."""
    button = '---\nit:\n  cta_1: {text: "Vai", action: "https://a.it"}\n---\n'
    template = "---\noggetto: Avviso TARI 2026\n---\n" + button + "Testo per te. " * 9
    checked = _checked(write_xlsx(tmp_path / "tari.xlsx", map(_row, range(20)), HEADER), template)
    shown = list(checked.findings)
    assert [(one.row, one.code, one.more) for one in shown] == [
        *((row, "pulsanti", 0) for row in range(2, 6)),
        (6, "pulsanti", 15),
    ]
    assert checked.findings.counts == {"pulsanti": 20}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<b>Testo</b>", "testo-html"),
        ("Testo\n\n<div>x</div>", "testo-html"),
        ("{% if note %}<b>{% endif %}Testo", "testo-html"),
        ("![logo](https://a.it/logo.png)", "testo-immagine"),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", "testo-tabella"),
        ("Vai su [sito](http://www.comune.example.it)", "link-http"),
    ],
)
def test_text_that_io_does_not_show(tmp_path: Path, text: str, code: str) -> None:
    """What the template says wrongly in any of its branches is told once, of the template."""
    template = f"---\noggetto: Avviso TARI 2026\n---\n{'Testo per te. ' * 9}\n\n{text}\n"
    rows = [_row(number) for number in range(3)]
    assert _found(_checked(write_xlsx(tmp_path / "tari.xlsx", rows, HEADER), template)) == [
        (None, code, TEXT)
    ]


def test_message_too_large_for_a_queue(tmp_path: Path) -> None:
    """With all its translations a message must fit in a queue message."""
    head = "---\noggetto: Avviso TARI 2026\n---\n"
    path = write_xlsx(tmp_path / "tari.xlsx", [_row(1)], HEADER)
    write_template(tmp_path / "tari.md", head, dict.fromkeys(("en_GB", "de_DE", "fr_FR"), head + "漢" * 9000))
    assert ("richiesta-troppo-grande", "tari.md") in [
        (code, place) for _, code, place in _found(_checked(path, head + "Testo per te. " * 9))
    ]


def test_warnings_are_accepted_one_by_one() -> None:
    """An accepted warning blocks nothing, an error cannot be accepted, and every finding counts."""
    findings = Findings()
    findings.add(Finding.of(code) for code in ("oggetto-emoji", "oggetto-emoji", "link-http", "importo-zero"))
    assert findings.blocking() == 4
    assert findings.blocking(["oggetto-emoji"]) == 2
    assert findings.blocking(["oggetto-emoji", "link-http", "importo-zero"]) == 1
    assert level_of("link-http") == "warning"


def test_findings_keep_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a column that is wrong throughout a hundred rows are kept, and all are counted."""
    monkeypatch.setattr(findings_module, "MOST_SHOWN", 3)
    findings = Findings()
    findings.add(Finding.of("importo-zero", Place("Importo", "C"), row) for row in range(50))
    assert [one.row for one in findings] == [0, 1, 2]
    assert findings.counts == Counter({"importo-zero": 50})


@pytest.mark.parametrize(
    "subject",
    [
        "Avviso TARI 2026, rata 3 del 31/12/2026",
        "La carta d'identità CA12345AA è pronta",
        "Scadenza 16.12.2026: paga entro le 12.30",
        "TARI 2026: avviso n. 12345",
        "Convocazione scrutatori 8 e 9 giugno 2026",
        "IMU 2026 e ISEE: che cosa cambia",
    ],
)
def test_subject_without_mistakes(subject: str) -> None:
    """Dates, numbers and acronyms in a subject are no personal data."""
    assert list(subject_codes(subject, ["Anna Rossi", "De Li"])) == []


def test_links_without_mistakes() -> None:
    """Links by https to the name of a site are right, and an e-mail address is no link."""
    assert list(link_codes("Vai su https://www.comune.example.it/a?b=c, o scrivi a www@comune.it.")) == []


def test_markdown_that_io_shows() -> None:
    """Bold, lists, headings, links and what only looks like HTML are right."""
    text = "# Titolo\n\n**a** _b_ `c`\n\n- uno\n- [due](https://a.it)\n\nse x < y e a > b"
    assert markdown_codes(text) == ()


def test_placeholders_are_no_html() -> None:
    """A placeholder in an address or a text is a word."""
    assert without_placeholders("[x](https://a.it/{{ id }}) {% if a < b %}y{% endif %}") == (
        "[x](https://a.it/valore) y"
    )


def test_attachment_has_the_name_of_its_blob_unless_a_column_has_another(tmp_path: Path) -> None:
    """A column with blobs attaches them; what is wrong with a name is told of the column it comes from."""
    header = (*HEADER, "Allegato")
    rows = [(*_row(1), "tari/1.pdf"), (*_row(2), "tari/2.doc")]
    path = write_xlsx(tmp_path / "tari.xlsx", rows, header)
    assert _found(_checked(path)) == [(3, "allegato-pdf", "M")]
    first, _ = opened(path, tmp_path / "tari.md").results()
    assert first.request
    assert first.request.remote_content
    (attachment,) = first.request.remote_content.attachments
    assert (attachment.blob, attachment.name) == ("tari/1.pdf", "1.pdf")
    named = write_xlsx(tmp_path / "b.xlsx", [(*rows[1], "Avviso.pdf")], (*header, "Nome allegato"))
    assert _found(_checked(named)) == []
