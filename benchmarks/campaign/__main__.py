"""`python -m benchmarks.campaign`: a file is checked and sent, interrupted at a random row and sent again.

The queue and the ledger are in-memory fakes that keep nothing but the ids. The times are wall and CPU,
which are equal on a machine with nothing else to do. Exits 1 if the CPU or the peak memory of the process
misses its goal, or if the ids are not as many as the rows.
"""

import argparse
import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from cli.campaign_file.campaign import CampaignFile
from cli.campaign_file.journal import Journal
from cli.campaign_file.linter import Checked, Linter
from cli.campaign_file.sender import Sender, Sent
from tests.campaigns import CAMPAIGN, many_rows, opened, write_csv, write_template, write_xlsx
from tests.fake_app import FakeApp
from tests.fakes import FakeClock, FakeQueues

MOST_SECONDS: Final = 60
MOST_MEGABYTES: Final = 200
WRITERS: Final[dict[str, Callable[..., Path]]] = {"csv": write_csv, "xlsx": write_xlsx}


class CountingQueues(FakeQueues):
    """Counts the ids that are put, and crashes like Ctrl-C after so many puts."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.ids: Counter[str] = Counter()
        self.ends_after: int | None = None

    async def put(self, queue: str, body: str, *, delay: timedelta = timedelta(0)) -> None:
        if self.ends_after == 0:
            raise KeyboardInterrupt
        self.ends_after = None if self.ends_after is None else self.ends_after - 1
        self.ids[json.loads(body)["request_id"]] += 1


def main() -> int:
    """Measure, print and judge. Return the exit code."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        found = _measure(Path(folder), arguments.format, arguments.rows, arguments.seed)
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        for name, figure in found.items():
            Console().print(f"{name:20} {figure}", highlight=False)
    is_quick = found["check_cpu_s"] + found["send_cpu_s"] < MOST_SECONDS
    is_exact = found["distinct_ids"] == arguments.rows
    return int(not (is_quick and is_exact and found["peak_mb"] < MOST_MEGABYTES))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaign", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--format", choices=WRITERS, default="csv")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser.parse_args()


def _measure(folder: Path, kind: str, rows: int, seed: int) -> dict[str, Any]:
    file = WRITERS[kind](folder / f"tari.{kind}", many_rows(rows))
    campaign = opened(file, write_template(folder / "tari.md"))
    queues = CountingQueues()
    queues.ends_after = random.Random(seed).randrange(rows)
    interrupted_at = queues.ends_after
    times = [_now()]
    checked = _check(campaign)
    times.append(_now())
    while _is_interrupted(campaign, checked, queues):
        queues.ends_after = None
    times.append(_now())
    return {
        "file": f"{rows} rows, {kind}, {file.stat().st_size / 1024:.0f} KB",
        **_seconds("check", *times[:2]),
        **_seconds("send", *times[1:]),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "interrupted_after": interrupted_at,
        "distinct_ids": len(queues.ids),
        "put_twice": sum(count - 1 for count in queues.ids.values()),
        "seed": seed,
    }


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _seconds(name: str, began: tuple[float, float], ended: tuple[float, float]) -> dict[str, float]:
    wall, cpu = (round(end - start, 1) for start, end in zip(began, ended, strict=True))
    return {f"{name}_s": wall, f"{name}_cpu_s": cpu}


def _check(campaign: CampaignFile) -> Checked:
    checked = Linter(requests=campaign.requests, now=FakeClock().now).check(campaign.results())
    assert not checked.findings.blocking(), list(checked.findings)
    return checked


def _is_interrupted(campaign: CampaignFile, checked: Checked, queues: CountingQueues) -> bool:
    app = FakeApp()
    stores = replace(app.stores, queues=queues)
    content = campaign.requests.secret.digest(checked.fingerprints.tobytes())
    journal = Journal.beside(campaign.path, CAMPAIGN, content)
    sender = Sender(stores, campaign.requests, journal)
    try:
        asyncio.run(sender.send(campaign.results(), checked, Sent(total=len(checked.fingerprints))))
    except KeyboardInterrupt:
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
