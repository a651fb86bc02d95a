"""`python -m benchmarks.reading [CHECKOUT ...]`: what it costs to read the product, a column a checkout.

The way to the POST is traced: a request goes through the recipient check and the sending over the fakes of
the tests. A stay is each time that control enters another file of the product; contract/ is left out, whose
validators pydantic calls.
"""

import argparse
import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

HERE: Final = Path(__file__).parents[2]
NOT_THE_PRODUCT: Final = ("tests/", "benchmarks/")
FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
# Runs in the checkout: the files that control enters, in order, from the request to the POST.
TRACE: Final = """
import asyncio, json, os, sys
try:
    from tests.fake_app import FakeApp
except ImportError:
    from tests.road import Road as FakeApp
from storage.queues import MESSAGE_SENDS
from tests.samples import a_body

stays, here = [], os.getcwd() + os.sep
passed = tuple(here + folder for folder in (".venv", "contract", "tests", "node_modules"))

def seen(frame, event, _):
    file = frame.f_code.co_filename
    if event == "call" and frame.f_code.co_name == "submit_message":
        sys.setprofile(None)
    elif event in ("call", "return") and file.startswith(here) and not file.startswith(passed):
        at = frame.f_back.f_code.co_filename if event == "return" and frame.f_back else file
        if at.startswith(here) and not at.startswith(passed) and stays[-1:] != [at]:
            stays.append(at)

async def main():
    app = FakeApp()
    sys.setprofile(seen)
    await app.check(a_body())
    await app.send(app.queues.bodies(MESSAGE_SENDS)[0])

asyncio.run(main())
print(json.dumps([file.removeprefix(here) for file in stays]))
"""


def main() -> None:
    """Measure each checkout and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("checkouts", nargs="*", type=Path, default=[HERE])
    columns = {str(checkout): figures(checkout.resolve()) for checkout in parser.parse_args().checkouts}
    table = Table("", *columns, title="What there is to read")
    for name in next(iter(columns.values())):
        table.add_row(name, *(f"{column[name]:,}" for column in columns.values()))
    Console().print(table)


def figures(checkout: Path) -> dict[str, int]:
    """Return the figures of a checkout, by name."""
    sources = {file: (checkout / file).read_text() for file in _product(checkout)}
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", (checkout / "docs/glossary.md").read_text(), re.M)
    words = [word.strip() for row in words for word in row.split(",")]
    calls = [count for text in sources.values() for count in _arguments(text)]
    stays = _stays(checkout)
    return {
        "files of the product": len(sources),
        "lines of the product": sum(text.count("\n") for text in sources.values()),
        "words in the glossary": len(set(words)),
        "words with two meanings": len(words) - len(set(words)),
        "parameters of the longest function": max(map(_longest, sources.values())),
        "arguments of the longest call by hand": max(calls),
        "calls with seven arguments or more": sum(count >= 7 for count in calls),
        "files from the request to the POST": len(set(stays)),
        "stays from the request to the POST": len(stays),
    }


def _product(checkout: Path) -> list[str]:
    command = ["git", "ls-files", "*.py"]
    files = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True).stdout.split()
    return [file for file in files if not file.startswith(NOT_THE_PRODUCT)]


def _longest(source: str) -> int:
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, FUNCTIONS))
    return max((len(one.args.args) + len(one.args.kwonlyargs) for one in functions), default=0)


def _arguments(source: str) -> Iterator[int]:
    """Yield the arguments of each call that passes a variable on under its own name, as in `clock=clock`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield sum(isinstance(one.value, ast.Name) and one.value.id == one.arg for one in node.keywords)


def _stays(checkout: Path) -> list[str]:
    command = [sys.executable, "-c", TRACE]
    done = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True)
    stays: list[str] = json.loads(done.stdout)
    return stays


if __name__ == "__main__":
    main()
