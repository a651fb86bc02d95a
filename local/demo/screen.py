"""The demo's output: its progress, and the verdict."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import groupby

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from contract.outcome import State
from local.demo.verdict import Found, Verdict, listed

# An output that cannot be redrawn, such as a CI log, gets a line at intervals.
PLAIN_SECONDS = 5
PLAIN_WIDTH = 150

WAITING = "waiting"
COLOURS: Mapping[str, str] = {
    State.PAID: "bright_green",
    State.READ: "green",
    State.READ_UNAVAILABLE: "green4",
    State.REMINDED: "dark_orange",
    State.PROCESSED: "blue",
    State.ACCEPTED: "cyan",
    State.SKIPPED: "white",
    State.EXPIRED: "white",
    State.REJECTED: "yellow",
    State.FAILED: "yellow",
    State.REFUSED: "yellow",
    State.PARKED: "yellow",
    State.IN_DOUBT: "magenta",
    WAITING: "bright_black",
}


class Screen:
    """A terminal, or a log."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = PLAIN_WIDTH
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._silent_until = 0.0

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line."""
        self._console.print(text, style=style, markup=False, soft_wrap=True)

    @contextmanager
    def progressing(self) -> Iterator[None]:
        """Let `progress` redraw its output during the block."""
        with self._live if self._console.is_terminal else nullcontext():
            yield

    def progress(self, latest: Counter[str], total: int, seconds: float) -> None:
        """Show the progress of `total` requests. `latest` counts them by their latest outcome."""
        counts = latest + Counter({WAITING: total - latest.total()})
        told = ", ".join(f"{state} {counts[state]}" for state in COLOURS if counts[state])
        if self._console.is_terminal:
            squares = Text.assemble(*(("■" * counts[state], colour) for state, colour in COLOURS.items()))
            self._live.update(
                Text.assemble(f"{seconds:5.1f} s  ", squares, f"\n         {told}"), refresh=True
            )
        elif seconds >= self._silent_until:
            self._silent_until = seconds + PLAIN_SECONDS
            self.say(f"{seconds:5.1f} s  {told}")

    def show(self, verdict: Verdict, simulator: str) -> None:
        """Print the outcomes by kind of request, the totals, and every mistake."""
        self._console.print(_outcomes(verdict.found), "", _totals(verdict, simulator), sep="\n")
        mistakes = verdict.mistakes()
        if mistakes:
            self.say(f"\nNot as expected, {len(mistakes)} times:", "bold red")
            for mistake in mistakes:
                self.say(f"  {mistake}", "red")
        else:
            self.say(
                f"\nAll {len(verdict.found) - verdict.reminders} requests and {verdict.reminders} reminders "
                f"ended as expected, in {verdict.seconds:.0f} s.",
                "bold green",
            )


def _outcomes(found: Sequence[Found]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("request", no_wrap=True)
    table.add_column("sent", justify="right")
    table.add_column("expected", overflow="fold")
    table.add_column("got", justify="right")
    table.add_column("postino show", style="bright_black", no_wrap=True)
    for kind, group in groupby(found, key=lambda one: one.case.kind):
        of_kind = list(group)
        right = sum(not one.mistakes() for one in of_kind)
        table.add_row(
            kind,
            str(len(of_kind)),
            listed(of_kind[0].case.end),
            Text(str(right), style="green" if right == len(of_kind) else "bold red"),
            of_kind[0].case.request_id or "(parked list)",
        )
    return table


def _totals(verdict: Verdict, simulator: str) -> Table:
    words = Counter(word.partition(" ")[0] for found in verdict.found for word in found.words)
    reasons = ", ".join(f"{times} {reason}" for reason, times in sorted(verdict.deferrals.items()))
    rows = [
        (verdict.at_io, f"messages at IO, {verdict.duplicates} duplicates", f"{simulator}/messages"),
        (verdict.outcomes, "outcomes, repetitions not counted", "taken from queue message-outcomes"),
        (verdict.in_ledger, "requests in the ledger", "postino status, table ledger"),
        (words[State.PARKED], "parked for an operator", "postino parked list, table parked"),
        (words[State.IN_DOUBT], "in doubt: never sent again by itself", "postino status"),
        (words[State.REMINDED], "reminded a week later, by a message of its own", "postino show, history"),
        (verdict.deferrals.total(), f"deferred and retried: {reasons}", "postino show, history"),
        (verdict.left_behind, f"visible on the queues, {verdict.put_back} delayed", "postino status"),
        (len(verdict.exposed), "logs or outcomes with a fiscal code", ".local/demo/*.log"),
    ]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right")
    table.add_column()
    table.add_column(style="bright_black", overflow="fold")
    for number, what, place in rows:
        table.add_row(str(number), what, place)
    return table
