"""`make look`: opens every page in Chromium, writes pictures into build/look, exits with 1 for a fault."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from report.page import page as report_page
from report.summary import summary
from report.suppression import suppressed
from show_status.functions import HEADERS
from show_status.messages import no_storage
from tests.fake_app import FakeApp
from tests.look.chromium import Tab, tab
from tests.samples import FISCAL_CODE
from tests.status_page import CAMPAIGN, ROLE, filled, page_of, principal

PROJECT = Path(__file__).parents[2]
PICTURES = PROJECT / "build/look"
AXE = PROJECT / "node_modules/axe-core/axe.min.js"
# WCAG 1.4.10: no sideways scrolling at 320 px, which is 1280 px at a zoom of 400 %.
NARROWEST = 320
WIDTHS = (400, 1400)
SCHEMES = ("light", "dark")
PAGES = {
    "report": "/report",
    "status": "/api/status",
    "campaign": f"/api/status?campaign={CAMPAIGN.replace(' ', '+')}",
    "request": "/api/status?request_id=tari-000123",
    "parked": "/api/status?request_id=tari-000777",
    "not-found": "/api/status?request_id=nobody",
    "not-understood": f"/api/status?request_id={FISCAL_CODE}",
    "no-storage": "/no-storage",
    "not-signed-in": "/api/status?anonymous",
}
# What the search form takes: nothing personal gets into an address.
REQUEST_IDS = {FISCAL_CODE: False, FISCAL_CODE.lower(): False, "a b": False, "TARI:2026.1_a-b": True}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
FOCUSABLE = "a[href], button, input, select, summary"
FOCUS = """(() => { const at = document.activeElement, style = getComputedStyle(at);
  return [[...document.querySelectorAll(%r)].indexOf(at), style.outlineStyle]; })()"""


async def main() -> int:
    if not AXE.exists():
        print("axe-core is missing: make setup")
        return 1
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with _server(await filled()) as address, tab() as browser:
        faults = [fault async for fault in _faults(browser, address)]
    print("\n".join(faults) or f"No fault. Pictures: {PICTURES.relative_to(PROJECT)}")
    return 1 if faults else 0


async def _faults(browser: Tab, address: str) -> AsyncIterator[str]:
    """Yield each fault of each page, with the page's name."""
    for name, path in PAGES.items():
        async for fault in _looked_at(browser, name, address + path):
            yield f"{name}: {fault}"
        for fault in await _keyboard(browser):
            yield f"{name}: {fault}"
    await browser.open(address + PAGES["status"], width=WIDTHS[0], scheme="light")
    for request_id, is_taken in (
        (FISCAL_CODE, False),
        (FISCAL_CODE.lower(), False),
        ("TARI:2026.1_a-b", True),
    ):
        if await _takes(browser, request_id) != is_taken:
            yield f"the search form {'refuses' if is_taken else 'takes'} {request_id!r}"


async def _looked_at(browser: Tab, name: str, url: str) -> AsyncIterator[str]:
    for width, scheme in _windows():
        browser.complaints.clear()
        await browser.open(url, width=width, scheme=scheme)
        where = f"{width} px, {scheme}"
        if width in WIDTHS:
            (PICTURES / f"{name}-{width}-{scheme}.png").write_bytes(await browser.picture())
        if (wide := await browser.value("document.documentElement.scrollWidth")) > width:
            yield f"{where}: {wide} px wide"
        for complaint in browser.complaints:
            if "Failed to load resource: the server responded" not in complaint:  # the page of a refusal
                yield f"{where}: {complaint}"
        if width != NARROWEST:
            for violation in await _axe(browser):
                yield f"{where}: {violation}"


def _windows() -> Iterator[tuple[int, str]]:
    yield NARROWEST, "light"
    yield from ((width, scheme) for width in WIDTHS for scheme in SCHEMES)


async def _axe(browser: Tab) -> list[str]:
    """Return what axe-core finds against WCAG 2.1 AA."""
    await browser.value(AXE.read_text() + ";0")
    options = f"{{runOnly: {WCAG}, resultTypes: ['violations']}}"
    found: list[dict[str, Any]] = await browser.value(f"axe.run({options}).then(result => result.violations)")
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:120]}" for one in found]


async def _keyboard(browser: Tab) -> list[str]:
    """Return what is wrong with the Tab key: it goes through everything in the order of the page."""
    number = await browser.value(f"document.querySelectorAll({FOCUSABLE!r}).length")
    faults = []
    for expected in range(number):
        await browser.press_tab()
        at, outline = await browser.value(FOCUS % FOCUSABLE)
        if at != expected or outline == "none":
            faults.append(f"Tab {expected + 1} comes to {at}, outline {outline}")
    return faults


async def _takes(browser: Tab, request_id: str) -> bool:
    field = "document.getElementById('request_id')"
    return bool(await browser.value(f"({field}.value = {request_id!r}, {field}.checkValidity())"))


@asynccontextmanager
async def _server(app: FakeApp) -> AsyncIterator[str]:
    """The pages over HTTP, as an operator gets them: with the security policy."""
    status_page = page_of(app)

    async def status(request: web.Request) -> web.Response:
        signed_in = [] if "anonymous" in request.query else [principal(ROLE)]
        code, html = await status_page.answer(signed_in, request.query)
        return _answer(html, code)

    async def report(_request: web.Request) -> web.Response:
        groups = await app.stores.counters.read(CAMPAIGN)
        document = await summary(app.stores, groups, CAMPAIGN, None, shown_as=suppressed)
        return web.Response(text=report_page(document, app.clock()), content_type="text/html")

    async def without_storage(_request: web.Request) -> web.Response:
        return _answer(no_storage(403), 503)

    site = web.Application()
    site.add_routes(
        [
            web.get("/api/status", status),
            web.get("/report", report),
            web.get("/no-storage", without_storage),
        ]
    )
    runner = web.AppRunner(site)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _answer(html: str, status: int) -> web.Response:
    headers = {**HEADERS, "Content-Type": "text/html; charset=utf-8"}
    return web.Response(body=html.encode(), status=status, headers=headers)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
