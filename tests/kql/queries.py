"""The queries of the alerts and of the workbook, parsed by Kusto's own language service."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

PROJECT = Path(__file__).parents[2]
ALERTS = PROJECT / "infra/alerts"
WORKBOOK = PROJECT / "infra/workbook.json"


class Query(NamedTuple):
    """What is wrong with it, and its syntax tree: nodes with `kind`, and with `children` or `text`."""

    mistakes: list[str]
    tree: dict[str, Any]


@cache
def queries() -> dict[str, Query]:
    """Every query, by the alert's name or by its title in the workbook."""
    files = [str(path) for path in (*sorted(ALERTS.glob("*.kql")), WORKBOOK)]
    command = ["node", str(Path(__file__).with_name("check_kql.mjs")), *files]
    parsed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {Path(name).stem if name in files else name: Query(**query) for name, query in parsed.items()}
