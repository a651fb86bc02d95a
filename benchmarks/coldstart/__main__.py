"""`python -m benchmarks.coldstart`: the CPU of importing function_app, next to its third-party packages.

Each import is made in a new process, all in turn, and the fastest of each counts. It is CPU time, because
the wall time of a shared machine measures its neighbours too. Bytecode is cached. The third-party modules are
those that function_app has imported, for a storage account that is reached by its connection string. Packages
that are installed for development only are hidden from every import, because libraries import what they find:
httpx imports rich, requests imports chardet.

function_app imports with the garbage collector off. The first ratio compares with the packages as Python
imports them, the second with the packages as function_app imports them.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from importlib import metadata
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
    "PYTHONDONTWRITEBYTECODE": "",
}
# Set, they name certificates that aiohttp and the app read at their start. The platform does not set them.
UNSET: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
HIDDEN: Final = """
import sys
for name in {names!r}:
    sys.modules.setdefault(name)
"""
APP: Final = "import function_app"
MODULES: Final = """
import function_app
files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
print(*(name for name, file in files.items() if "site-packages" in file and "__editable__" not in name))
"""
THIRD_PARTY: Final = """
import importlib
for name in {names!r}:
    importlib.import_module(name)
"""
UNCOLLECTED: Final = "import gc; gc.disable()\n"
TIMED: Final = "import time; began = time.process_time()\n{code}\nprint(time.process_time() - began)"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coldstart", description=__doc__)
    parser.add_argument("--times", type=int, default=15)
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
    table.add_row("the same packages, collector off", f"{found['uncollected_ms']:.0f}")
    Console().print(table)
    ratio, uncollected = (found["app_ms"] / found[name] for name in ("third_party_ms", "uncollected_ms"))
    Console().print(f"ratio {ratio:.2f}; {uncollected:.2f} with the collector off", highlight=False)


def measure(times: int) -> dict[str, Any]:
    """Return the CPU of each import, and the five packages whose own modules take the longest."""
    hidden = HIDDEN.format(names=undeployed())
    names = _python("-c", hidden + MODULES).split()
    third_party = THIRD_PARTY.format(names=names)
    codes = {
        "app_ms": APP,
        "third_party_ms": third_party,
        "uncollected_ms": UNCOLLECTED + third_party,
    }
    rounds = [[_milliseconds(hidden, code) for code in codes.values()] for _ in range(times)]
    fastest = map(min, zip(*rounds, strict=True))
    return {**dict(zip(codes, fastest, strict=True)), "slowest": _slowest(hidden, names)}


def undeployed() -> list[str]:
    """Return the names of the packages that are installed, but not by requirements.txt."""
    deployed = {
        "postino",
        *re.findall(r"^([\w.-]+)==", (HERE / "requirements.txt").read_text(), re.MULTILINE),
    }
    of_name = metadata.packages_distributions().items()
    return sorted(name for name, of in of_name if name.isidentifier() and not deployed & {*map(_normal, of)})


def _normal(distribution: str) -> str:
    return re.sub("[-_.]+", "-", distribution).lower()


def _milliseconds(hidden: str, code: str) -> float:
    return float(_python("-c", hidden + TIMED.format(code=code)).split()[-1]) * 1000


def _slowest(hidden: str, names: list[str]) -> dict[str, float]:
    spent: defaultdict[str, float] = defaultdict(float)
    lines = _python("-X", "importtime", "-c", hidden + APP)
    for microseconds, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)", lines):
        if name in names:
            spent[_package(name)] += int(microseconds) / 1000
    return dict(sorted(spent.items(), key=lambda item: -item[1])[:5])


def _package(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] in ("azure", "opentelemetry") else parts[0]


def _python(*arguments: str) -> str:
    environ = {name: value for name, value in os.environ.items() if name not in UNSET} | ENVIRON
    done = subprocess.run([sys.executable, *arguments], cwd=HERE, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


if __name__ == "__main__":
    main()
