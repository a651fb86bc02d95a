"""`python -m local.run`: runs storage, IO simulator and functions host on their usual ports until Ctrl-C.

The storage keeps its data in .local. The simulator keeps none: after a restart IO knows no earlier messages.
"""

import asyncio
import socket
import sys
from contextlib import aclosing
from datetime import UTC, datetime

from cryptography.fernet import Fernet

from local.child import ChildError
from local.demo.document import RemoteContentAtIo
from local.demo.simulated_io import SimulatedIo
from local.interruption import EXIT_CODE, interruption, treat_sigterm_as_ctrl_c
from local.stack import PROJECT, Place, Stack, running_stack

HOME = PROJECT / ".local"
PLACE = Place(
    logs=HOME / "run",
    data=HOME / "azurite",
    azurite_ports=(10000, 10001, 10002),
    simulator_port=7072,
    host_port=7071,
)
KEY_FILE = HOME / "encryption-keys"
IO_KEY = "simulator-key"
ROLE = "Postino.Read"
# Postino polls a message ten seconds after IO has accepted it, and then not for hours.
QUICK_CITIZEN = {"default": {"reads_after_seconds": 3, "pays_after_seconds": 6}}

HOW_TO_USE_IT = """\
Up: functions host {host}, IO simulator {simulator}, storage in {data}.

In another terminal, in this folder, put a first request on the queue:

{exports}
.venv/bin/python -m local.put_request <<'END'
{{
  "request_id": "{request_id}",
  "fiscal_code": "AAAAAA00A00A000A",
  "feature_level_type": "ADVANCED",
  "content": {{
    "subject": "La tua carta d'identità è pronta",
    "markdown": "Puoi ritirare la carta d'identità allo sportello dell'anagrafe, dal lunedì al venerdì."
  }}
}}
END

and see what becomes of it (the simulated citizen reads within seconds):

.venv/bin/postino show {request_id}

The status page is at {host}/api/status.

Documents work too (docs/remote-content.md): `.venv/bin/postino remote-content list` shows the configuration,
and a POST of {{"id": message_id}} to {simulator}/open shows what the citizen sees.

Ctrl-C stops it all. Logs: {logs}/*.log"""


async def run() -> None:
    """Start everything, print how to use it, and stop at Ctrl-C. Raises ChildError."""
    _require_free_ports()
    print("Starting storage (Azurite), the IO simulator and the functions host.", flush=True)
    remote_content = RemoteContentAtIo()
    settings = {
        "IO_API_KEY": IO_KEY,
        "ENCRYPTION_KEYS": _encryption_keys(),
        "CHECK_STATUS_SCHEDULE": "*/5 * * * * *",
        "STATUS_PAGE_ROLE": ROLE,
        "LOCAL_HOST_ROLES": ROLE,
        **remote_content.settings,
    }

    async def configuration(io: str, host: str) -> dict[str, str]:
        return {"REMOTE_CONTENT_CONFIGURATION_ID": await remote_content.configure(io, host)}

    async with running_stack(
        PLACE,
        keys={"default": IO_KEY},
        settings=settings,
        manage_key=remote_content.manage_key,
        prepare=configuration,
    ) as stack:
        async with aclosing(SimulatedIo(stack.simulator)) as io:
            await io.script(QUICK_CITIZEN)
        print(_how_to_use(stack), flush=True)
        await stack.while_up(interruption())
        print("\nStopping.", flush=True)


def _require_free_ports() -> None:
    users = dict.fromkeys(PLACE.azurite_ports, "Azurite")
    users |= {PLACE.simulator_port: "the IO simulator", PLACE.host_port: "the functions host"}
    for port, user in users.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise ChildError(
                    f"port {port}, which {user} needs, is taken: stop what listens there "
                    f"(`lsof -i :{port}` names it; another `make run`?)"
                ) from None


def _encryption_keys() -> str:
    """Return the keys of a file, so that stored data stays readable after a restart."""
    HOME.mkdir(exist_ok=True)
    if not KEY_FILE.exists():
        KEY_FILE.touch(mode=0o600)
        KEY_FILE.write_text(Fernet.generate_key().decode())
    return KEY_FILE.read_text().strip()


def _how_to_use(stack: Stack) -> str:
    return HOW_TO_USE_IT.format(
        host=stack.host,
        simulator=stack.simulator,
        data=PLACE.data,
        exports=stack.shell_exports(),
        # Each run needs a new id: the same request_id is the same message for ever.
        request_id=f"prova-{datetime.now(UTC):%Y%m%d-%H%M%S}",
        logs=PLACE.logs,
    )


def main() -> int:
    treat_sigterm_as_ctrl_c()
    try:
        asyncio.run(run())
    except ChildError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return EXIT_CODE
    return 0


if __name__ == "__main__":
    sys.exit(main())
