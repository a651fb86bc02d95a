"""The simulator's routes."""

from aiohttp import web

from local.io_simulator.configuring import (
    create_configuration,
    get_configuration,
    list_configurations,
    update_configuration,
)
from local.io_simulator.control import control_routes
from local.io_simulator.gateway import Gateway, no_such_path
from local.io_simulator.profiles import get_profile
from local.io_simulator.reading import get_message
from local.io_simulator.simulator import Simulator
from local.io_simulator.submission import submit_message
from local.io_simulator.subscriptions import get_subscriptions

BASE_PATH = "/api/v1"
LARGEST_CONTROL_BODY = 64 * 1024 * 1024


def create_app(simulator: Simulator) -> web.Application:
    """Return the app: IO's operations, the control endpoints, and the gateway's 404 for all other paths."""
    gateway = Gateway(simulator)
    profile = gateway.handler("get_profile", get_profile)
    submit = gateway.handler("submit_message", submit_message)
    read = gateway.handler("get_message", get_message)
    feed = gateway.handler("get_subscriptions", get_subscriptions)
    configurations = f"{BASE_PATH}/messages-sending/remote-contents/configurations"
    one_configuration = f"{configurations}/{{configuration_id}}"
    app = web.Application(client_max_size=LARGEST_CONTROL_BODY)
    app.add_routes(
        [
            web.post(f"{BASE_PATH}/profiles", profile),
            web.get(f"{BASE_PATH}/profiles/{{fiscal_code}}", profile),
            web.post(f"{BASE_PATH}/messages", submit),
            web.post(f"{BASE_PATH}/messages/{{fiscal_code}}", submit),
            web.get(f"{BASE_PATH}/messages/{{fiscal_code}}/{{id}}", read),
            web.get(f"{BASE_PATH}/subscriptions-feed/{{date}}", feed),
            web.post(configurations, gateway.handler("create_configuration", create_configuration)),
            web.get(configurations, gateway.handler("list_configurations", list_configurations)),
            web.get(one_configuration, gateway.handler("get_configuration", get_configuration)),
            web.put(one_configuration, gateway.handler("update_configuration", update_configuration)),
            *control_routes(simulator),
            web.route("*", "/{path:.*}", no_such_path),
        ]
    )
    return app
