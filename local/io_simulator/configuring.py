"""/messages-sending/remote-contents/configurations (io-messages, apps/rc-func)."""

import re
from dataclasses import replace
from typing import Any

from local.io_simulator.answers import (
    FORBIDDEN,
    NO_SUCH_CONFIGURATION,
    Answer,
    RefusedError,
    invalid_configuration_id,
    success,
)
from local.io_simulator.backend import Call
from local.io_simulator.new_message import parse
from local.io_simulator.remote_configurations import Configured, RemoteConfiguration
from local.io_simulator.services import Group
from local.io_simulator.simulator import Simulator
from local.io_simulator.ulid import PATTERN

GROUP: Group = "ApiRemoteContentConfigurationWrite"


def create_configuration(simulator: Simulator, call: Call) -> Answer:
    """Make a configuration and return a 201 with it. Raises RefusedError otherwise."""
    content = RemoteConfiguration.decode(parse(call.body))  # IO decodes before it looks at the key
    call.require_manager(GROUP)
    return success(201, simulator.remote_configurations.create(call.service.account, content).document())


def list_configurations(simulator: Simulator, call: Call) -> Answer:
    """Return a 200 with the account's configurations. Raises RefusedError otherwise."""
    call.require_manager(GROUP)
    owned = simulator.remote_configurations.of(call.service.account)
    return success(200, {"rcConfigList": [_with_owner(one) for one in owned]})


def get_configuration(simulator: Simulator, call: Call) -> Answer:
    """Return a 200 with a configuration. Raises RefusedError otherwise."""
    configuration_id = _id_in_path(call)
    call.require_manager(GROUP)
    return success(200, _with_owner(_owned(simulator, call, configuration_id)))


def update_configuration(simulator: Simulator, call: Call) -> Answer:
    """Replace a configuration and return a 204. Raises RefusedError otherwise."""
    configuration_id = _id_in_path(call)
    content = RemoteConfiguration.decode(parse(call.body))
    call.require_manager(GROUP)
    simulator.remote_configurations.put(replace(_owned(simulator, call, configuration_id), content=content))
    return Answer(204, b"")


def _id_in_path(call: Call) -> str:
    configuration_id = call.path["configuration_id"]
    if not re.fullmatch(PATTERN, configuration_id):
        raise RefusedError(invalid_configuration_id(configuration_id))
    return configuration_id


def _owned(simulator: Simulator, call: Call, configuration_id: str) -> Configured:
    found = simulator.remote_configurations.find(configuration_id)
    if found is None:
        raise RefusedError(NO_SUCH_CONFIGURATION)
    if found.account != call.service.account:
        raise RefusedError(FORBIDDEN)
    return found


def _with_owner(configured: Configured) -> dict[str, Any]:
    return configured.document() | {"user_id": configured.account}
