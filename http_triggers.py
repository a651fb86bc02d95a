"""Registers HTTP functions with the platform. Imported only where the app serves HTTP: this takes a while.

The platform streams answers only with the extension that this module imports, and then every HTTP function of
the app must use it (docs/decisions/0016).
"""

import logging
import sys
from collections.abc import Awaitable, Callable

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response
from starlette.background import BackgroundTask

type Serve = Callable[[Request], Awaitable[Response]]


def on_get(functions: func.Blueprint, name: str, route: str, serve: Serve) -> None:
    """Register a function that answers each GET of a route. `serve` itself checks who calls."""
    # The extension's server writes the path of each request, and with it an id, to the standard output.
    logging.getLogger("uvicorn.access").addFilter(_to_no_log)

    @functions.function_name(name)
    @functions.route(route, "request", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    async def _answer(request: Request) -> Response:
        response = await serve(request)
        response.background = BackgroundTask(_forget, request.headers.get("x-ms-invocation-id"))
        return response


def _to_no_log(_record: logging.LogRecord) -> bool:
    return False


async def _forget(invocation_id: str | None) -> None:
    """Remove what the platform keeps of a finished invocation: 2 kB, which it never frees itself.

    Azure/azure-functions-python-worker#1877. A runtime with other names is left alone.
    """
    coordinator = getattr(sys.modules.get("azure_functions_runtime.http_v2"), "http_coordinator", None)
    getattr(coordinator, "_context_references", {}).pop(invocation_id, None)
