"""`python -m local.demo [--keep]`: exit code 0 if all was as expected, 1 if not, 130 after Ctrl-C."""

import argparse
import asyncio
import json
import secrets
import sys
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial

from cryptography.fernet import Fernet

from local.child import ChildError
from local.demo.campaign import Campaign
from local.demo.document import RemoteContentAtIo
from local.demo.evidence import gather, open_stores
from local.demo.institution import Institution
from local.demo.play import Play
from local.demo.sample import SERVICES, new_sample
from local.demo.screen import Screen
from local.demo.simulated_io import SimulatedIo
from local.demo.verdict import Verdict
from local.demo.week_later import remind_ahead
from local.interruption import EXIT_CODE, interruption, treat_sigterm_as_ctrl_c
from local.stack import PROJECT, Place, Stack, running_stack

LOGS = PROJECT / ".local" / "demo"

# This is faster than in production, where minutes do not matter.
PACE = {
    "CHECK_STATUS_SCHEDULE": "*/2 * * * * *",
    "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.5",
}


async def demo(screen: Screen, *, keep: bool) -> bool:
    """Start everything, run and judge the demo; return whether all was as expected. Raises ChildError."""
    keys = {service: secrets.token_hex(16) for service in (*SERVICES, "default")}
    remote_content = RemoteContentAtIo()
    settings = {"ENCRYPTION_KEYS": Fernet.generate_key().decode(), **remote_content.settings, **PACE}

    async def services(io: str, host: str) -> dict[str, str]:
        configuration_id = await remote_content.configure(io, host)
        named = {name: {"key": key, "configuration_id": configuration_id} for name, key in keys.items()}
        return {"IO_SERVICES": json.dumps(named)}

    screen.say("Starting storage (Azurite, in memory), the IO simulator and the functions host.")
    async with running_stack(
        Place(logs=LOGS),
        keys=keys,
        settings=settings,
        manage_key=remote_content.manage_key,
        prepare=services,
    ) as stack:
        verdict = await stack.while_up(_perform(stack, screen))
        screen.show(verdict, stack.simulator)
        campaign = await stack.while_up(_send_campaign(stack, screen))
        screen.say(f"Logs: {LOGS}/*.log")
        if keep:
            screen.say("\nEverything keeps running until Ctrl-C. To inspect it, in another terminal:\n")
            screen.say(stack.shell_exports())
            await stack.while_up(interruption())
        else:
            screen.say(
                "The storage is gone with the demo; .venv/bin/python -m local.demo --keep leaves it up."
            )
    return not (verdict.mistakes() or campaign.mistakes)


async def _perform(stack: Stack, screen: Screen) -> Verdict:
    sample = new_sample(datetime.now(UTC))
    async with (
        aclosing(Institution(stack.settings["AzureWebJobsStorage"])) as institution,
        aclosing(SimulatedIo(stack.simulator)) as io,
        open_stores(stack.app_settings) as stores,
    ):
        await institution.open()
        play = Play(sample, institution, io, screen, partial(remind_ahead, stack.app_settings))
        with screen.progressing():
            await play.perform()
        return await gather(sample, play, stores, io, LOGS)


async def _send_campaign(stack: Stack, screen: Screen) -> Campaign:
    async with aclosing(SimulatedIo(stack.simulator)) as io:
        campaign = Campaign(LOGS / "campaign", stack.app_environ, io, screen)
        await campaign.perform()
        return campaign


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description="A sample through everything.")
    parser.add_argument("--keep", action="store_true", help="stay up afterwards, until Ctrl-C")
    arguments = parser.parse_args()
    treat_sigterm_as_ctrl_c()
    try:
        return 0 if asyncio.run(demo(Screen(), keep=arguments.keep)) else 1
    except ChildError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return EXIT_CODE


if __name__ == "__main__":
    sys.exit(main())
