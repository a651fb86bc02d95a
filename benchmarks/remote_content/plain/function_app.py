"""The endpoint of documents with the platform's own HttpResponse, which holds an answer whole in memory."""

from datetime import UTC, datetime

import azure.functions as func

import lifetime
import settings
from context import Context
from io_api import rate_limiter
from remote_content.access import Access, Call
from remote_content.denials import Denials
from remote_content.serve import attachment
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.readiness import Readiness

configured = settings.load()
account = StorageAccount(configured)
cipher = Cipher(configured.encryption_keys)
context = Context.of(configured, account, cipher, lambda: datetime.now(UTC))
access = Access(
    context.remote_contents,
    Readiness.of(account, cipher, rate_limiter.TABLE),
    configured.remote_content_keys,
    Denials(cipher.pseudonym),
)
lifetime.close_at_the_end(context.io.aclose, account.aclose)
app = func.FunctionApp()


@app.route("messages/{id}/{attachment_url}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def document(req: func.HttpRequest) -> func.HttpResponse:
    """Answer with a document, read whole."""
    assert context.documents
    headers, params = req.headers, req.route_params
    call = Call(params["id"], headers.get("fiscal_code", ""), headers.get("x-api-key", ""))
    answer = await attachment(call, params["attachment_url"], access, context.documents)
    assert not isinstance(answer.body, bytes)
    body = b"".join([piece async for piece in answer.body.pieces])
    return func.HttpResponse(body, status_code=answer.status, headers=dict(answer.headers))
