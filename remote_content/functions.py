"""The HTTP triggers that IO calls when a citizen opens a message."""

from collections.abc import Awaitable, Callable, Sequence

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response, StreamingResponse
from pydantic import SecretStr

import telemetry
from context import Context
from http_triggers import on_get
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
    access = Access(context.remote_contents, readiness, keys, Denials(cipher.pseudonym))
    functions = func.Blueprint()

    def serve(name: str, route: str, of: Serve) -> None:
        async def answer_to(request: Request) -> Response:
            with telemetry.serving(route) as answered:
                answer = await of(_call(request, key_header), request)
                answered(answer.status)
            return _response(answer)

        on_get(functions, name, route, answer_to)

    serve("remote_content_details", "messages/{id}", lambda call, _: details(call, access))
    serve(
        "remote_content_precondition",
        "messages/{id}/precondition",
        lambda call, _: precondition(call, access),
    )
    serve(
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
