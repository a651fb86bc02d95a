"""`postino send` before anything leaves: the check, the refusals and the previews, without any storage."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from tests.campaigns import HEADER, a_row, many_rows, write_csv, write_template

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
# Port 1 answers nobody: whatever asks the storage account fails.
NOWHERE = "http://127.0.0.1:1/devstoreaccount1"
ENVIRON = {
    "AzureWebJobsStorage": f"AccountName=a;AccountKey=a2V5;QueueEndpoint={NOWHERE};TableEndpoint={NOWHERE}",
    "ENCRYPTION_KEYS": KEY,
    "IO_API_KEY": "k",
}
NOTHING = "Nessun messaggio è stato inviato."
ACCEPT = "Un'avvertenza che va bene in tutte le righe si accetta con --accept CODICE."


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)


def _dry_run(tmp_path: Path, rows: Any = (), *arguments: str, header: Any = HEADER) -> Result:
    path = write_csv(tmp_path / "tari.csv", rows or many_rows(5), header)
    template = tmp_path / "tari.md"
    if not template.exists():
        write_template(template)
    options = ["--template", str(template), "--campaign", "TARI 2026", "--dry-run", *arguments]
    return CliRunner().invoke(app, ["send", str(path), *options])


def test_file_without_mistakes(tmp_path: Path) -> None:
    """Rows and amounts are counted, the first messages and the next step shown; nothing is written."""
    result = _dry_run(tmp_path, (), "--preview", "2")
    assert result.exit_code == 0
    assert "Righe: 5. Avvisi di pagamento: 5, in tutto" in result.stdout
    assert result.stdout.count("── Premium, italiano") == 2
    assert result.stderr.strip() == "Tutto a posto: 5 messaggi pronti. Per inviarli ripeti senza --dry-run."
    assert "Gentile Anna, l'avviso di pagamento della **TARI 2026** è pronto" in result.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"tari.csv", "tari.md"}


def test_mistakes_are_a_table_and_end_the_command(tmp_path: Path) -> None:
    """Each mistake is a line with row, column, sentence and code, then the numbers by rule; the code is 1."""
    result = _dry_run(tmp_path, [a_row(importo="1.234"), a_row(importo="0"), a_row(nome=None)])
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert (
        "2 D Importo errore può voler dire migliaia o millesimi: scrivi 1234,00 oppure 1,23 importo-ambiguo"
        in lines
    )
    assert "4 B Nome errore è vuota, e il modello la usa cella-vuota" in lines
    assert "importo-zero errore 1" in lines
    assert result.stderr.strip().splitlines() == ["Correggi gli errori.", NOTHING]


def test_accepted_warning_does_not_block(tmp_path: Path) -> None:
    """A warning blocks until it is accepted by its code, which is said, and stays counted."""
    rows = [a_row(codice_fiscale="rssmra80a01h501u")]
    blocked = _dry_run(tmp_path, rows)
    assert blocked.exit_code == 1
    assert blocked.stderr.strip().splitlines() == [ACCEPT, NOTHING]
    assert _dry_run(tmp_path, rows, "--json").stderr.strip().splitlines() == [NOTHING]
    wrong = _dry_run(tmp_path, [*rows, a_row(importo="0")])
    assert wrong.stderr.strip().splitlines() == [f"Correggi gli errori. {ACCEPT}", NOTHING]
    accepted = _dry_run(tmp_path, rows, "--accept", "codice-fiscale-corretto")
    assert accepted.exit_code == 0
    assert "Tutto a posto: 1 messaggio pronto." in accepted.stderr
    assert "codice-fiscale-corretto  avvertenza  1       accettata" in accepted.stdout


def test_error_cannot_be_accepted(tmp_path: Path) -> None:
    """--accept takes only the codes of warnings, and lists them."""
    result = _dry_run(tmp_path, (), "--accept", "importo-zero")
    assert result.exit_code == 2
    assert "importo-zero" in result.stderr
    assert "oggetto-emoji" in "".join(result.stderr.split("│"))


def test_json_has_every_finding(tmp_path: Path) -> None:
    """--json gives the same as one document."""
    result = _dry_run(tmp_path, [a_row(importo="1.234")], "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (document["rows"], document["counts"], document["sent"]) == (1, {"importo-ambiguo": 1}, None)
    assert document["findings"] == [
        {
            "row": 2,
            "column": "D",
            "place": "Importo",
            "code": "importo-ambiguo",
            "level": "error",
            "sentence": "può voler dire migliaia o millesimi: scrivi 1234,00 oppure 1,23",
            "more_rows": 0,
        }
    ]


@pytest.mark.parametrize("as_json", [False, True])
def test_file_that_cannot_be_used(tmp_path: Path, as_json: bool) -> None:
    """Mistakes of the headers end the command before any row is read."""
    result = _dry_run(
        tmp_path, (), *(["--json"] if as_json else []), header=("Nome", "Nome", "a", "b", "c", "d")
    )
    assert result.exit_code == 1
    assert "colonna-mancante" in result.stdout
    assert "intestazione-ripetuta" in result.stdout
    assert "Nessun messaggio è stato inviato." in result.stderr


@pytest.mark.parametrize("content", [b"PK\x03\x04 nothing", None])
def test_sheet_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    """A damaged spreadsheet, and one that is not there, are refused by name: the template is a file too."""
    sheet, template = tmp_path / "tari.xlsx", write_template(tmp_path / "tari.md")
    if content:
        sheet.write_bytes(content)
    options = ["--template", str(template), "--campaign", "TARI 2026", "--dry-run"]
    result = CliRunner().invoke(app, ["send", str(sheet), *options])
    assert result.exit_code == 1
    assert "tari.xlsx  errore   non si può leggere" in result.stdout


def test_unused_columns_are_named(tmp_path: Path) -> None:
    """A column that nobody uses is named, and blocks nothing."""
    result = _dry_run(tmp_path, [(*a_row(), "x")], header=(*HEADER, "Via e numero"))
    assert result.exit_code == 0
    assert "Colonne che il modello non usa: Via e numero." in result.stdout


@pytest.mark.parametrize(("most", "code"), [("1.234,56", 0), ("1234,55", 1), ("1.234", 2), ("zero", 2)])
def test_highest_amount(tmp_path: Path, most: str, code: int) -> None:
    """--max-amount refuses higher amounts, and is itself read as Italians write amounts."""
    result = _dry_run(tmp_path, [a_row()], "--max-amount", most)
    assert result.exit_code == code
    assert (f"--max-amount: «{most}» " in " ".join(result.stderr.split())) is (code == 2)


def test_service_that_is_not_configured(tmp_path: Path) -> None:
    """An unknown service is refused with those that are configured."""
    result = _dry_run(tmp_path, (), "--service", "anagrafe")
    assert result.exit_code == 1
    assert "--service  errore" in " ".join(result.stdout.split("\n"))
    assert "scegline uno (default)" in result.stdout


def test_campaign_with_a_fiscal_code_is_refused(tmp_path: Path) -> None:
    """The campaign's name follows the contract."""
    path, template = write_csv(tmp_path / "a.csv", many_rows(1)), write_template(tmp_path / "a.md")
    result = CliRunner().invoke(
        app, ["send", str(path), "--template", str(template), "--campaign", "RSSMRA80A01H501U"]
    )
    assert result.exit_code == 2


def test_page_is_self_contained(tmp_path: Path) -> None:
    """The page shows the messages in every language, escaped, in light and dark, and loads nothing."""
    english = (
        "---\nsubject: \"Waste tax {{ year | oppure('2026') }}\"\n---\nDear {{ nome }}, " + "please pay. " * 9
    )
    write_template(tmp_path / "tari.md", translations={"en_GB": english.replace("year", "anno")})
    page = tmp_path / "anteprima.html"
    result = _dry_run(tmp_path, [a_row(nome="<script>alert(1)</script>")], "--html", str(page))
    text = page.read_text()
    assert result.exit_code == 0
    assert "cancellala quando non serve più" in result.stderr
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "prefers-color-scheme: dark" in text
    assert 'lang="en"' in text
    assert "Come si calcola</span>" in text
    assert "1.234,56 €" in text
    assert "31/12/2026 23:59" in text
    assert not any(word in text for word in ("src=", "@import", "url(", "<link"))


def test_page_that_cannot_be_written(tmp_path: Path) -> None:
    """A page in a folder that does not exist ends the command with the reason."""
    result = _dry_run(tmp_path, (), "--html", str(tmp_path / "no" / "a.html"))
    assert result.exit_code == 2
    assert "non si può scrivere" in result.stderr


@pytest.mark.parametrize("options", [("--yes",), ("--wait", "30"), ("--sample", "prova.csv")])
def test_trials_are_not_expected_in_vain(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Whoever names what belongs to trials, without --canary, expects trials: nothing leaves."""
    result = _dry_run(tmp_path, (), *options)
    assert (result.exit_code, options[0] in result.stderr) == (2, True), result.output
    assert "--canary" in result.stderr
    assert "Nessun messaggio è stato inviato." in result.stderr


def test_empty_spread_is_no_spread(tmp_path: Path) -> None:
    """A script whose variable is empty must not send everything at once."""
    result = _dry_run(tmp_path, (), "--spread", "")
    assert (result.exit_code, "--spread: si scrive come" in result.stderr) == (2, True), result.output


@pytest.mark.parametrize("name", ["tari.csv", "tari.md"])
def test_page_does_not_replace_what_is_read(tmp_path: Path, name: str) -> None:
    """A page with the name of the spreadsheet or the template ends the command before it is written."""
    _dry_run(tmp_path)
    before = (tmp_path / name).read_bytes()
    result = _dry_run(tmp_path, (), "--html", str(tmp_path / "x" / ".." / name))
    assert (result.exit_code, "è un file da leggere" in result.stderr) == (2, True), result.output
    assert (tmp_path / name).read_bytes() == before


def test_text_cannot_control_the_terminal(tmp_path: Path) -> None:
    """A control character in a cell or a header reaches no terminal."""
    result = _dry_run(tmp_path, [(*a_row(nome="Anna\x1b[2J"), "x")], header=(*HEADER, "Via\x1b[2J"))
    assert "\x1b" not in result.stdout


def test_help_has_an_example() -> None:
    """The help shows how to begin."""
    text = CliRunner().invoke(app, ["send", "--help"]).stdout
    assert "--dry-run" in text
    assert "postino send tari.xlsx" in text
