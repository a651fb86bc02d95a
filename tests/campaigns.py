"""A sample campaign: the rows of a file, its template, and what sends them over the fakes."""

import csv
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from openpyxl import Workbook

from cli.campaign_file.campaign import CampaignFile
from cli.campaign_file.italian import check_character
from cli.campaign_file.template import Template
from storage.campaign_secrets import CampaignSecret

CAMPAIGN: Final = "TARI 2026"
SECRET: Final = CampaignSecret(CAMPAIGN, bytes(range(32)))
SERVICES: Final = ("default", "tributi")

TEMPLATE: Final = """---
oggetto: "Avviso TARI {{ anno }}"
tipo: premium
---
---
it:
  cta_1:
    text: "Come si calcola"
    action: "iohandledlink://https://www.comune.example.it/tari"
---
Gentile {{ nome }}, l'avviso di pagamento della **TARI {{ anno }}** è pronto: {{ importo | euro }} entro il
{{ scadenza | data_lunga }}. Puoi pagarlo da qui.
"""
HEADER: Final = ("Codice fiscale", "Nome", "Anno", "Importo", "Numero avviso", "Scadenza")
GOOD: Final = ("RSSMRA80A01H501U", "Anna", "2026", "1.234,56", "302000100000012336", "31/12/2026")


def a_row(**changes: object) -> tuple[object, ...]:
    """A row without mistakes, with these changes; the names are those of HEADER as identifiers."""
    names = [name.lower().replace(" ", "_") for name in HEADER]
    return tuple((dict(zip(names, GOOD, strict=True)) | changes).values())


def many_rows(count: int, seed: int = 1) -> Iterable[tuple[object, ...]]:
    """Rows without mistakes, each of another person and another notice."""
    random_ = random.Random(seed)
    for number in range(count):
        yield a_row(
            codice_fiscale=a_fiscal_code(number),
            numero_avviso=a_notice_number(number),
            importo=f"{random_.randint(1, 99999) / 100:.2f}".replace(".", ","),
        )


def a_fiscal_code(number: int) -> str:
    """A fiscal code for each number below 26 ** 5."""
    letters = "".join(chr(ord("A") + number // 26**place % 26) for place in range(5))
    code = f"{letters}A80A01H501"
    return code + check_character(code)


def a_notice_number(number: int) -> str:
    """A notice number with its check digits that does not look rounded, for each number below 10 ** 12."""
    base = f"302{number:012}1"
    return f"{base}{int(base) % 93:02}"


def write_csv(
    path: Path,
    rows: Iterable[Sequence[object]],
    header: Sequence[object] = HEADER,
    *,
    encoding: str = "utf-8",
    separator: str = ";",
) -> Path:
    """Write a CSV as Italian spreadsheets do."""
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=separator).writerows([header, *rows])
    return path


def write_xlsx(
    path: Path, rows: Iterable[Sequence[object]], header: Sequence[object] = HEADER, sheet: str = "Foglio1"
) -> Path:
    """Write an XLSX with typed cells."""
    book = Workbook(write_only=True)
    worksheet = book.create_sheet(sheet)
    for row in (header, *rows):
        worksheet.append(list(row))
    book.save(path)
    return path


def write_template(path: Path, text: str = TEMPLATE, translations: Mapping[str, str] | None = None) -> Path:
    """Write a template, and its translations beside it."""
    path.write_text(text, encoding="utf-8")
    for language, translation in (translations or {}).items():
        path.with_suffix(f".{language}.md").write_text(translation, encoding="utf-8")
    return path


def opened(file: Path, template: Path, sheet: str | None = None, service: str = "default") -> CampaignFile:
    """Open a campaign as the command does."""
    return CampaignFile.open(
        *(file, sheet, Template.load(template)),
        service=service,
        services=SERVICES,
        secret=SECRET,
    )
