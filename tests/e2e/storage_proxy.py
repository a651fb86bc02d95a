"""A proxy before the tables of a storage account that refuses what a missing role would refuse."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

from local.azurite import Azurite

ALL = "*"
READS = ("GET", "HEAD")
WRITES = ("POST", "PUT", "PATCH", "MERGE", "DELETE")
REFUSAL = {
    "odata.error": {
        "code": "AuthorizationPermissionMismatch",
        "message": {"lang": "en-US", "value": "This request is not authorized to perform this operation."},
    }
}
# Headers of one hop, or recomputed for the next.
_OWN = ("Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive")


class StorageProxy:
    """Forwards every call, and answers 403 to calls of `methods` on the tables in `refused`."""

    def __init__(self, storage: Azurite, session: aiohttp.ClientSession) -> None:
        self.refused: Collection[str] = ()
        self.methods: Collection[str] = READS + WRITES
        self.connection_string = ""
        self._target = f"http://127.0.0.1:{storage.ports[2]}"
        self._session = session

    async def answer(self, request: web.Request) -> web.Response:
        """Return storage's answer, or the refusal."""
        table = request.path.split("/")[2].partition("(")[0]
        if (table in self.refused or ALL in self.refused) and request.method in self.methods:
            return web.json_response(REFUSAL, status=403)
        headers = {name: value for name, value in request.headers.items() if name not in _OWN}
        async with self._session.request(
            request.method,
            URL(f"{self._target}{request.raw_path}", encoded=True),  # the path as it was signed
            data=await request.read() or None,  # no body: no content type, which is signed
            headers=headers,
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name not in _OWN}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)


@asynccontextmanager
async def running_proxy(storage: Azurite) -> AsyncIterator[StorageProxy]:
    """Run a proxy before a running storage, on a port of its own."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        proxy = StorageProxy(storage, session)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", proxy.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        table_port = f":{storage.ports[2]}/"
        proxy.connection_string = storage.connection_string.replace(table_port, f":{port}/")
        try:
            yield proxy
        finally:
            await runner.cleanup()
