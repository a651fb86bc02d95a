"""The HTTP triggers that IO calls when a citizen opens a message.

The platform streams answers only with the extension that this module imports (docs/decisions/0016).
"""

import logging
import sys
from collections.abc import Awaitable, Callable, Sequence

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response, StreamingResponse
from pydantic import SecretStr
from starlette.background import BackgroundTask

import telemetry
from context import Context
from remote_content.access import Access, Call, caller_of
from remote_content.denials import Denials
from remote_content.serve import Answer, attachment, details, precondition
from storage.cipher import Cipher
from storage.readiness import Readiness

type Serve = Callable[[Call, Request], Awaitable[Answer]]


def blueprint(
    readiness: Readiness, context: Context, cipher: Cipher, keys: Sequence[SecretStr], key_header: str
) -> func.Blueprint:
    """Register the three endpoints. A call is authorised by one of `keys` in the header `key_header`."""
    documents = context.documents
    assert documents, "remote contents are switched on"
    access = Access(context.remote_contents, readiness, keys, Denials(cipher.digest))
    functions = func.Blueprint()
    # The extension's server writes the path of each request, and with it an id, to the standard output.
    logging.getLogger("uvicorn.access").addFilter(lambda record: False)

    def on_get(name: str, route: str, serve: Serve) -> None:
        @functions.function_name(name)
        @functions.route(route, "request", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
        async def _answer(request: Request) -> Response:
            with telemetry.serving(route) as answered:
                answer = await serve(_call(request, key_header), request)
                answered(answer.status)
            response = _response(answer)
            response.background = BackgroundTask(_forget, request.headers.get("x-ms-invocation-id"))
            return response

    on_get("remote_content_details", "messages/{id}", lambda call, _: details(call, access))
    on_get(
        "remote_content_precondition",
        "messages/{id}/precondition",
        lambda call, _: precondition(call, access),
    )
    on_get(
        "remote_content_attachment",
        "messages/{id}/{attachment_url}",
        lambda call, request: attachment(call, request.path_params["attachment_url"], access, documents),
    )
    return functions


def _call(request: Request, key_header: str) -> Call:
    def header(name: str) -> str:
        return ", ".join(request.headers.getlist(name))

    return Call(
        request.path_params["id"],
        fiscal_code=header("fiscal_code"),
        key=header(key_header),
        caller=caller_of(header("x-forwarded-for")),
    )


def _response(answer: Answer) -> Response:
    headers = dict(answer.headers)
    if isinstance(answer.body, bytes):
        return Response(answer.body, answer.status, headers, answer.content_type)
    headers["Content-Length"] = str(answer.body.size)
    return StreamingResponse(answer.body.pieces, answer.status, headers, answer.content_type)


async def _forget(invocation_id: str | None) -> None:
    """Remove what the platform keeps of a finished invocation: 2 kB, which it never frees itself.

    Azure/azure-functions-python-worker#1877. A runtime with other names is left alone.
    """
    coordinator = getattr(sys.modules.get("azure_functions_runtime.http_v2"), "http_coordinator", None)
    getattr(coordinator, "_context_references", {}).pop(invocation_id, None)
