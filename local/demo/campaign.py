"""The demo's second act: an operator sends a campaign from a spreadsheet, and follows it to the report."""

import asyncio
import json
import os
import shlex
import sys
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from local.demo.screen import Screen
from local.demo.simulated_io import SimulatedIo
from local.demo.spreadsheet import (
    CAMPAIGN,
    MISTAKES,
    ON_IO,
    PAYERS,
    READERS,
    ROWS,
    SERVICE,
    TEMPLATE,
    new_lines,
    with_mistakes,
    write,
)

LONGEST_SECONDS: Final = 60
EXPECTED: Final = {
    "requested": ROWS,
    "reachable": ON_IO,
    "accepted": ON_IO,
    "delivered": ON_IO,
    "read": READERS,
    "paid": PAYERS,
}
_LOOK_SECONDS: Final = 2.0


@dataclass
class Campaign:
    """The second act. `folder` receives its files. `settings` are the app's, as `postino` reads them.

    `mistakes` has a sentence for each result that is not as expected.
    """

    folder: Path
    settings: Mapping[str, str] = field(repr=False)
    io: SimulatedIo
    screen: Screen
    mistakes: list[str] = field(default_factory=list)

    async def perform(self) -> None:
        """Check a file with mistakes, send the mended one, follow it, and write the report."""
        began_at = time.monotonic()
        self.screen.say("\nSecond act. An office has a spreadsheet of 20 rows, two of them wrong.", "bold")
        lines = new_lines(datetime.now(UTC).date())
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "tari.csv.postino.json").unlink(missing_ok=True)
        (self.folder / "tari.md").write_text(TEMPLATE, encoding="utf-8")
        write(self.folder / "tari.csv", with_mistakes(lines))
        await self.io.script({line.fiscal_code: line.citizen for line in lines})
        send = ("send", "tari.csv", "--template", "tari.md", "--service", SERVICE, "--campaign", CAMPAIGN)
        said = await self._postino(1, *send, "--dry-run", "--preview", "1")
        self._expect_rows(said)
        if any((await self._funnel()).values()):
            self.mistakes.append("the dry run left requests")
        self.screen.say("\nThe office mends the two rows.")
        write(self.folder / "tari.csv", lines)
        await self._postino(0, *send)
        await self._wait_for_the_end()
        await self._postino(0, "status", "--campaign", CAMPAIGN)
        await self._postino(0, "report", "--campaign", CAMPAIGN, "--html", "report.html")
        self._conclude(time.monotonic() - began_at)

    def _expect_rows(self, said: str) -> None:
        for row, cells in MISTAKES.items():
            for column in cells:
                if not any(
                    str(row) in words and column in words for words in map(str.split, said.splitlines())
                ):
                    self.mistakes.append(f"the dry run does not name row {row}, column {column}")

    async def _wait_for_the_end(self) -> None:
        """Wait until the counters say what is expected, or until the time is over."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while (found := await self._funnel()) != EXPECTED and time.monotonic() < deadline:
            self.screen.say(", ".join(f"{step} {number}" for step, number in found.items()), "bright_black")
            await asyncio.sleep(_LOOK_SECONDS)
        if found != EXPECTED:
            self.mistakes.append(f"the funnel: expected {EXPECTED}; got {found}")

    async def _funnel(self) -> dict[str, int]:
        document: dict[str, Any] = json.loads(
            (await self._run("status", "--campaign", CAMPAIGN, "--json"))[1]
        )
        return {step["step"]: step["number"] for step in document["funnel"]}

    async def _postino(self, expected: int, *arguments: str) -> str:
        """Run a command as the operator does, show it with its output, and return the output."""
        self.screen.say(f"\n$ postino {shlex.join(arguments)}", "bold")
        code, said = await self._run(*arguments)
        self.screen.say(said.rstrip())
        if code != expected:
            self.mistakes.append(f"postino {arguments[0]}: expected exit code {expected}; got {code}")
        return said

    async def _run(self, *arguments: str) -> tuple[int, str]:
        postino = Path(sys.executable).parent / "postino"
        process = await asyncio.create_subprocess_exec(
            postino,
            *arguments,
            cwd=self.folder,
            env={**os.environ, **self.settings},
            stdout=PIPE,
            stderr=STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    def _conclude(self, seconds: float) -> None:
        for mistake in self.mistakes:
            self.screen.say(f"  {mistake}", "red")
        if not self.mistakes:
            self.screen.say(
                f"\nThe campaign of {ROWS} rows ended as expected, in {seconds:.0f} s. "
                f"The report: {self.folder / 'report.html'}",
                "bold green",
            )
