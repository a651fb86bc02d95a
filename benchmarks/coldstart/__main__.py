"""`python -m benchmarks.coldstart`: the CPU of importing function_app, next to its third-party packages.

Each import is made in a new process, the two in turn, and the fastest of each counts. The third-party modules
are those that function_app has imported, for a storage account that is reached by its connection string.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.samples import KEYS

HERE: Final = Path(__file__).parents[2]
ACCOUNT: Final = "AccountName=devstoreaccount1;AccountKey=a2V5"
ADDRESS: Final = "http://127.0.0.1:1/devstoreaccount1"
ENVIRON: Final = {
    "AzureWebJobsStorage": f"{ACCOUNT};QueueEndpoint={ADDRESS};TableEndpoint={ADDRESS}",
    "ENCRYPTION_KEYS": KEYS[0].get_secret_value(),
    "IO_API_KEY": "key",
}
APP: Final = "import function_app"
MODULES: Final = """
import sys, function_app
files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
print(*(name for name, file in files.items() if "site-packages" in file and "__editable__" not in name))
"""
THIRD_PARTY: Final = """
import importlib
for name in {names!r}:
    importlib.import_module(name)
"""
TIMED: Final = "import time; began = time.process_time()\n{code}\nprint(time.process_time() - began)"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coldstart", description=__doc__)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.times)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    table = Table(title="A new process")
    for column in ("", "CPU ms"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("import function_app", f"{found['app_ms']:.0f}")
    table.add_row("its third-party packages alone", f"{found['third_party_ms']:.0f}")
    for name, milliseconds in found["slowest"].items():
        table.add_row(f"- {name}", f"{milliseconds:.0f}")
    Console().print(table)
    Console().print(f"ratio {found['app_ms'] / found['third_party_ms']:.2f}", highlight=False)


def measure(times: int) -> dict[str, Any]:
    """Return the CPU of both imports, and the five packages whose own modules take the longest."""
    names = _python("-c", MODULES).split()
    third_party = THIRD_PARTY.format(names=names)
    pairs = [(_milliseconds(APP), _milliseconds(third_party)) for _ in range(times)]
    app, alone = (min(column) for column in zip(*pairs, strict=True))
    return {"app_ms": app, "third_party_ms": alone, "slowest": _slowest(names)}


def _milliseconds(code: str) -> float:
    return float(_python("-c", TIMED.format(code=code)).split()[-1]) * 1000


def _slowest(names: list[str]) -> dict[str, float]:
    spent: defaultdict[str, float] = defaultdict(float)
    lines = _python("-X", "importtime", "-c", APP)
    for microseconds, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)", lines):
        if name in names:
            spent[_package(name)] += int(microseconds) / 1000
    return dict(sorted(spent.items(), key=lambda item: -item[1])[:5])


def _package(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] in ("azure", "opentelemetry") else parts[0]


def _python(*arguments: str) -> str:
    environ = {**os.environ, **ENVIRON}
    done = subprocess.run([sys.executable, *arguments], cwd=HERE, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


if __name__ == "__main__":
    main()
