"""Prints what was found in a campaign's file and what was sent, for people and as JSON."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer

from cli.campaign_file.campaign import CampaignFile
from cli.campaign_file.findings import Finding, Findings, Unusable
from cli.campaign_file.linter import Checked
from cli.campaign_file.preview import text_previews
from cli.campaign_file.sender import Sent
from cli.campaign_file.spread import Spread
from cli.printing import ATTENTION, INTERRUPTED, fail, print_json, print_note, print_table
from cli.rules_it import level_of
from contract.request import MessageRequest
from report.italian import counted, euros, number, shown

NOTHING: Final = "Nessun messaggio è stato inviato."
_MOST_LINES: Final = 200
_LEVELS: Final = {"error": "errore", "warning": "avvertenza"}


def document(
    findings: Findings,
    checked: Checked,
    accepted: list[str],
    sent: Sent | None,
    spread: Spread | None = None,
) -> dict[str, Any]:
    """Return everything for JSON."""
    return {
        "rows": checked.rows,
        "payments": checked.payments,
        "cents": checked.cents,
        "findings": [one.document() for one in findings],
        "counts": findings.counts,
        "accepted": accepted,
        "sent": _sent_document(sent) if sent else None,
        "spread": spread_document(spread, checked) if spread else None,
    }


def _sent_document(sent: Sent) -> dict[str, Any]:
    conflicts = [one.document() for one in sent.conflicts]
    counts = {"total": sent.total, "done": sent.done, "put": sent.put, "known": sent.known}
    return {**counts, "conflicts": conflicts}


def print_unused(campaign: CampaignFile) -> None:
    """Print the columns that neither a request nor the template uses."""
    if unused := campaign.requests.columns.unused(campaign.requests.template.names):
        typer.echo(shown(f"Colonne che il modello non usa: {', '.join(unused)}."))


def print_checked(checked: Checked, accepted: list[str], *, with_previews: bool) -> None:
    """Print the numbers of the file, the findings, and the messages that were kept."""
    total = euros(checked.cents)
    typer.echo(f"Righe: {checked.rows}. Avvisi di pagamento: {checked.payments}, in tutto {total}.")
    print_findings(checked.findings, accepted)
    print_messages(checked.previews if with_previews else ())


def print_spread(spread: Spread | None, checked: Checked) -> None:
    """Print when the messages of a spread campaign leave, and how many an hour."""
    total = checked.starts.total()
    if not spread or not total:
        return
    days, rate = counted(spread.days, "giorno lavorativo", "giorni lavorativi"), total / spread.hours
    rate = round(rate) if rate >= 10 else round(rate, 1)
    typer.echo(
        f"Distribuzione: {counted(total, 'messaggio', 'messaggi')} in {days}, circa {number(rate)} l'ora "
        f"(al più {number(max(checked.starts.values()))}), {spread.span()}."
    )
    if checked.late:
        typer.echo(f"Per {counted(checked.late, 'riga', 'righe')} il momento è già passato: partono subito.")


def spread_document(spread: Spread, checked: Checked) -> dict[str, Any]:
    """Return the spread for JSON."""
    return {
        "spread": str(spread),
        "first": spread.windows[0].opens,
        "last": spread.windows[-1].closes,
        "per_hour": round(checked.starts.total() / spread.hours, 1),
        "most_per_hour": max(checked.starts.values(), default=0),
        "late": checked.late,
    }


def print_messages(requests: Iterable[MessageRequest]) -> None:
    """Print messages as the citizen will read them."""
    for text in text_previews(requests):
        typer.echo()
        for line in text.splitlines():
            typer.echo(shown(line))


def print_findings(findings: Findings, accepted: Iterable[str] = ()) -> None:
    """Print the findings that are not accepted, row by row, then the number of all by rule."""
    listed = [one for one in findings if one.code not in accepted]
    if listed:
        typer.echo()
        print_table(("riga", "dove", "gravità", "che cosa", "codice"), map(_line, listed[:_MOST_LINES]))
    if findings.counts:
        typer.echo()
        print_table(
            ("codice", "gravità", "numero", ""),
            (
                (code, _LEVELS[level_of(code)], count, "accettata" if code in accepted else "")
                for code, count in findings.counts.most_common()
            ),
        )


def remedy(findings: Findings, accepted: Iterable[str]) -> str:
    """Return what to do about the findings that block a send."""
    levels = {level_of(code) for code in findings.blocking_codes(accepted)}
    told = {
        "error": "Correggi gli errori.",
        "warning": "Un'avvertenza che va bene in tutte le righe si accetta con --accept CODICE.",
    }
    return " ".join(sentence for level, sentence in told.items() if level in levels)


def _line(finding: Finding) -> tuple[object, ...]:
    more = f" (e in {counted(finding.more, 'altra riga', 'altre righe')})" if finding.more else ""
    return finding.row, finding.place, _LEVELS[finding.level], f"{finding.sentence}{more}", finding.code


def print_sent(sent: Sent) -> None:
    """Print the rows in conflict and what was sent."""
    print_findings(sent.conflicts)
    parts = {
        "messe ora": sent.put,
        "già prese prima": sent.known,
        "con un id già usato": sent.conflicts.counts.total(),
    }
    told = ", ".join(f"{words} {number(count)}" for words, count in parts.items() if count)
    print_note(f"Fatto: {how_far(sent)}{told and f' Di queste: {told}.'}")


def how_far(sent: Sent) -> str:
    """Return how far the sending has come, as a sentence."""
    return f"in coda {number(sent.done)} richieste su {number(sent.total)}."


@contextmanager
def refusals(*, as_json: bool) -> Iterator[None]:
    """End the command if the file or the template cannot be used, or if the check is interrupted."""
    try:
        yield
    except Unusable as error:
        findings = Findings()
        findings.add(error.findings)
        if as_json:
            print_json(document(findings, Checked(), [], None))
        else:
            print_findings(findings)
        fail(ATTENTION, NOTHING)
    except KeyboardInterrupt:
        fail(INTERRUPTED, "Interrotto durante il controllo.", NOTHING)
