"""What a new process does before its first message, and what it leaves for later. Each test starts one."""

import json
import subprocess
import sys
from typing import Any

from benchmarks.coldstart.__main__ import ENVIRON

IMPORTS = """
import function_app, gc, json, sys
print(json.dumps({"modules": [*sys.modules], "collects": gc.isenabled(), "frozen": gc.get_freeze_count()}))
"""
SENDS = """
import asyncio, json, sys
from contextlib import asynccontextmanager
from pydantic import BaseModel
from tests.fake_app import FakeApp
from tests.fakes import FakeIo
from tests.samples import a_body, payment

def built(kind=BaseModel):
    below = [name for one in kind.__subclasses__() for name in built(one)]
    return below + [f"{kind.__module__}.{kind.__name__}"] * kind.__pydantic_complete__

class Watched(FakeIo):
    @asynccontextmanager
    async def permit_to_send(self, service, **priority):
        async with super().permit_to_send(service, **priority) as permit:
            self.before = {*built(), *sys.modules}
            yield permit

    async def submit_message(self, message, **options):
        self.after = {*built(), *sys.modules}
        return await super().submit_message(message, **options)

app = FakeApp()
app.io = Watched(steps=app.steps)
asyncio.run(app.queues.put("message-requests", a_body(feature_level_type="ADVANCED", content=payment())))
asyncio.run(app.run())
print(json.dumps({"sent": len(app.io.sent), "late": [*app.io.after - app.io.before], "all": built()}))
"""
LATER = {
    "contract.buttons",
    "check_status.follow",
    "check_status.settle",
    "expire.expire",
    "follow_subscriptions.follow_subscriptions",
    "poison.park",
    "reminders.remind",
    "rotate_keys.rotate_keys",
    "azure.identity",
    "azure.storage.blob",
    "fastapi",
    "holidays",
    "opentelemetry.sdk",
    "yaml",
}


def test_start_imports_nothing_that_sending_does_not_need() -> None:
    """The import leaves out other functions' code and rare cases' libraries, and collects garbage again."""
    found = _new_process(IMPORTS)
    assert LATER.isdisjoint(found["modules"])
    assert {"send_message.send_message", "send_message.check_recipient"} <= set(found["modules"])
    assert found["collects"]
    assert found["frozen"] > 10_000


def test_nothing_is_built_between_the_claim_and_the_post() -> None:
    """A new process has built every model and imported every module that it uses from claim to POST."""
    found = _new_process(SENDS)
    assert found["sent"] == 1
    assert "contract.request.MessageRequest" in found["all"]
    assert found["late"] == []


def _new_process(code: str) -> Any:
    done = subprocess.run([sys.executable, "-c", code], check=True, env=ENVIRON, capture_output=True)
    return json.loads(done.stdout)
