"""The HTTP trigger of the page."""

import logging
from typing import Final

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from http_triggers import on_get
from show_status.frame import POLICY
from show_status.overview import Overview
from show_status.show_status import StatusPage
from show_status.sign_in import HEADER
from storage.stores import Stores

log = logging.getLogger(__name__)

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def blueprint(stores: Stores, role: str, *, signs_in: bool) -> func.Blueprint:
    """Register the page for people with this role. `signs_in`: whether the platform signs people in."""
    if not signs_in:
        log.error(
            "the status page shows nothing: STATUS_PAGE_ROLE is set, and App Service Authentication is off; "
            "deploy with signInClientId, or remove the setting"
        )
    page = StatusPage(stores, Overview(stores), role, signs_in)
    functions = func.Blueprint()

    async def serve(request: Request) -> Response:
        status, html = await page.answer(request.headers.getlist(HEADER), request.query_params)
        return Response(html, status, HEADERS, "text/html; charset=utf-8")

    on_get(functions, "show_status", "status", serve)
    return functions
