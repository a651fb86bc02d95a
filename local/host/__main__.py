"""`python -m local.host` runs an app. Exit codes: 0 stopped, 1 not started, 2 wrong configuration."""

import argparse
import asyncio
import sys
from pathlib import Path

from local.host import log_lines
from local.host.errors import AppError, HostError
from local.host.functions_host import run_app


def main() -> int:
    arguments = _arguments()
    log_lines.set_up(arguments.log_level)
    try:
        asyncio.run(run_app(arguments.app.resolve(), arguments.port))
    except HostError as error:
        print(error, file=sys.stderr)
        if isinstance(error, AppError) and error.stack_trace:
            debug = arguments.log_level == "debug"
            print(
                error.stack_trace if debug else "(--log-level debug shows the stack trace)", file=sys.stderr
            )
        return error.exit_code
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.host", description="Runs a Python v2 functions app."
    )
    parser.add_argument(
        "--port", type=int, default=7071, help="port on loopback, 0 for a free one (%(default)s)"
    )
    parser.add_argument("--app", type=Path, default=Path(), help="the app's folder (the current one)")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
