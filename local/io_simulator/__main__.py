"""`python -m local.io_simulator`: serves IO's API until SIGINT or SIGTERM."""

import argparse
import asyncio
import re
import signal
import sys

from local.io_simulator.rate_limit import RateLimit
from local.io_simulator.script import ScriptError
from local.io_simulator.server import running_simulator
from local.io_simulator.services import Service
from local.io_simulator.simulator import Configuration


def parse_rate_limit(text: str) -> RateLimit:
    """Parse "150/5" or "none". Raises ArgumentTypeError."""
    if text == "none":
        return RateLimit(calls=None)
    found = re.fullmatch(r"([1-9][0-9]*)/([1-9][0-9]*)", text)
    if not found:
        raise argparse.ArgumentTypeError("write calls/seconds, such as 150/5, or none")
    return RateLimit(int(found[1]), int(found[2]))


def parse_keys(text: str) -> dict[str, tuple[str, ...]]:
    """Parse "name=key,name=key". A name given twice has two keys. Raises ArgumentTypeError."""
    keys: dict[str, list[str]] = {}
    for entry in text.split(","):
        name, equals, key = entry.partition("=")
        if not (name and equals and key):
            raise argparse.ArgumentTypeError("write name=key,name=key")
        keys.setdefault(name, []).append(key)
    return {name: tuple(of_service) for name, of_service in keys.items()}


def _arguments() -> argparse.Namespace:
    default = Configuration()
    parser = argparse.ArgumentParser(prog="python -m local.io_simulator", description="Simulates IO's API.")
    parser.add_argument("--port", type=int, default=7072, help="0 takes a free one (default: 7072)")
    parser.add_argument(
        "--keys",
        type=parse_keys,
        default={name: service.keys for name, service in default.services.items()},
        metavar="NAME=KEY,...",
        help="services and their keys (default: default, with simulator-key and simulator-secondary-key)",
    )
    parser.add_argument(
        "--manage-keys",
        type=parse_keys,
        default={name: service.manage_keys for name, service in default.services.items()},
        metavar="NAME=KEY,...",
        help="keys of the kind MANAGE, by service (default: default, with simulator-manage-key)",
    )
    parser.add_argument(
        "--rate-limit",
        type=parse_rate_limit,
        default=default.rate_limit,
        metavar="CALLS/SECONDS",
        help="or none (default: 150/5)",
    )
    parser.add_argument(
        "--processing-delay",
        type=float,
        default=default.processing_delay_seconds,
        metavar="SECONDS",
        help="simulated seconds before a message is processed (default: 1)",
    )
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    configuration = Configuration(
        services={
            name: Service(keys=keys, manage_keys=arguments.manage_keys.get(name, ()))
            for name, keys in arguments.keys.items()
        },
        rate_limit=arguments.rate_limit,
        processing_delay_seconds=arguments.processing_delay,
    )
    async with running_simulator(configuration, port=arguments.port) as running:
        print(f"ready io-simulator {running.base_url}", flush=True)
        await stop.wait()


def main() -> int:
    """Serve until stopped. Return 0, or 1 if the start failed."""
    arguments = _arguments()
    try:
        asyncio.run(_serve(arguments))
    except OSError as refused:
        print(f"cannot listen on port {arguments.port}: {refused.strerror}", file=sys.stderr)
        print("Choose another with --port, or 0 for a free one.", file=sys.stderr)
        return 1
    except ScriptError as mistake:
        print(mistake, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
