"""The status page: who sees it, what it shows, what it costs, and that everybody can use it."""

import base64
import hashlib
import re
from datetime import timedelta
from html import unescape
from typing import Any

import azure.functions as func
import pytest

from show_status.frame import POLICY, STYLE
from show_status.functions import HEADERS, blueprint
from show_status.overview import FRESH
from show_status.sign_in import refusal
from storage.table import Unanswered
from tests.fake_app import FakeApp
from tests.html_reader import HtmlReader
from tests.samples import FISCAL_CODE, SUBJECT, personal_data_in
from tests.status_page import CAMPAIGN, ROLE, asked, filled, page_of, principal


def _text(html: str) -> str:
    """What people read of a page, in one line."""
    return " ".join(" ".join(HtmlReader(html).text).split())


@pytest.mark.parametrize(
    ("principals", "status"),
    [
        ([], 401),
        ([""], 401),
        (["no base64!"], 401),
        ([base64.b64encode(b"[1]").decode()], 401),
        ([base64.b64encode(b"{" * 9).decode()], 401),
        ([principal(ROLE, auth_typ="google")], 401),
        ([principal(ROLE), principal(ROLE)], 401),
        ([principal()], 403),
        ([principal("Postino.Rea")], 403),
        ([principal(claims="roles")], 403),
        ([principal(claims=[{"typ": "groups", "val": ROLE}])], 403),
        ([principal("Other", ROLE)], None),
        ([principal(claims=[{"typ": "urn:role", "val": ROLE}], role_typ="urn:role")], None),
    ],
)
def test_only_people_with_the_role_see_the_page(principals: list[str], status: int | None) -> None:
    """Without the platform's header a call is 401, without the role 403; Entra ID alone gives the role."""
    assert refusal(principals, ROLE, signs_in=True) == status


async def test_forged_header_opens_nothing_where_the_sign_in_is_off(caplog: pytest.LogCaptureFixture) -> None:
    """Where App Service Authentication is off, nobody sees anything, and the log says what to do."""
    app = await filled()
    status, html = await page_of(app, signs_in=False).answer([principal(ROLE)], {})
    assert status == 503
    assert "12.480" not in html
    blueprint(app.stores, ROLE, signs_in=False)
    assert "signInClientId" in caplog.text


async def test_refused_calls_read_nothing() -> None:
    """A call that may not see the page costs no read of storage."""
    app = await filled()
    done = len(app.steps.done)
    status, html = await page_of(app).answer([], {"request_id": "tari-000123"})
    assert (status, len(app.steps.done)) == (401, done)
    assert "/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fstatus" in html


async def test_page_shows_what_status_shows() -> None:
    """The page has the funnel, the last success, what is in doubt and parked, and the age of the queues."""
    status, html = await asked(page_of(await filled()))
    told = _text(html)
    assert status == 200
    for text in (
        "Ultima accettata da IO 24/11/2026 09:57, 3 ore e 23 minuti fa",
        "Richieste 12.521 In dubbio 3 Parcheggiate 2",
        "contattabili 11.873 94,8 % delle richieste",
        "IO non ha risposto in tempo (timeout) 2",
        "(document_missing) postino parked list --reason document_missing 1",
        "richieste da prendere (message-requests) da 3 ore e 20 minuti 2",
        "Contatori rifatti dal registro: 24/11/2026 10:00",
    ):
        assert text in told


async def test_campaign_is_shown_alone() -> None:
    """With a campaign the page has its numbers, and its commands name it."""
    status, html = await asked(page_of(await filled()), {"campaign": "mense-2026"})
    told = _text(html)
    assert status == 200
    assert "Stato dei messaggi: campagna mense-2026" in told
    assert "Richieste 41 In dubbio 0 Parcheggiate 0" in told
    assert "Ultima accettata da IO mai" in told
    _, html = await asked(page_of(await filled()), {"campaign": CAMPAIGN})
    assert "postino in-doubt list --campaign 'TARI 2026'" in _text(html)
    assert "<option selected>TARI 2026</option>" in html


async def test_request_is_found_with_its_history() -> None:
    """A request_id leads to its state, facts and history; spaces around it are ignored."""
    status, html = await asked(page_of(await filled()), {"request_id": " tari-000123 "})
    assert status == 200
    assert "accettata da IO, non ancora consegnata (ACCEPTED)" in _text(html)
    assert "24/11/2026 10:00 invio in corso (SENDING)" in _text(html)


async def test_parked_request_has_its_fields_and_command() -> None:
    """A request that was parked before the ledger knew it has its reason, fields and command."""
    status, html = await asked(page_of(await filled()), {"request_id": "tari-000777"})
    assert status == 200
    assert "I campi che non vanno: content.subject" in _text(html)
    assert "postino parked show tari-000777" in _text(html)


async def test_unknown_request_is_404() -> None:
    """An id that nothing knows is 404."""
    status, html = await asked(page_of(await filled()), {"request_id": "nobody"})
    assert (status, "Richiesta non trovata" in html) == (404, True)


async def test_erased_request_says_so() -> None:
    """Of a request whose data were erased the page says when that was, and nothing else."""
    app = await filled()
    await app.ledger.bury(app.entry("tari-000123"))
    status, html = await asked(page_of(app), {"request_id": "tari-000123"})
    assert (status, "I dati sono stati cancellati il 24/11/2026 13:20" in html) == (404, True)


@pytest.mark.parametrize("field", ["campaign", "service", "request_id"])
@pytest.mark.parametrize("value", [FISCAL_CODE, "<script>", "x" * 129])
async def test_field_that_breaks_its_rule_is_not_repeated(field: str, value: str) -> None:
    """A fiscal code or markup in a field is 400, is looked for nowhere, and is not on the page."""
    app = await filled()
    done = len(app.steps.done)
    status, html = await asked(page_of(app), {field: value})
    assert (status, len(app.steps.done)) == (400, done)
    assert value not in html


async def test_nothing_personal_is_shown() -> None:
    """No page has a fiscal code or a text of a message."""
    app = await filled()
    for fields in ({}, {"request_id": "tari-000123"}, {"request_id": "tari-000777"}):
        _, html = await asked(page_of(app), fields)
        assert personal_data_in(html) == []
        assert SUBJECT not in html


async def test_refresh_costs_nothing_for_some_seconds() -> None:
    """A page is kept for ten seconds; then, or with a clock that went back, it is read again."""
    app = await filled()
    page = page_of(app)
    _, first = await asked(page)
    done = len(app.steps.done)
    app.clock.advance(seconds=FRESH.total_seconds() - 1)
    assert await asked(page) == (200, first)
    assert len(app.steps.done) == done
    for change in (timedelta(seconds=1), timedelta(days=-1)):
        app.clock.now += change
        done = len(app.steps.done)
        await asked(page)
        assert len(app.steps.done) > done


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Unanswered("refused", 403), "rifiuta l'accesso (HTTP 403)"),
        (Unanswered("no answer"), "non risponde"),
        (TimeoutError(), "non risponde"),
    ],
)
async def test_storage_that_does_not_answer_is_503(error: Exception, text: str) -> None:
    """Storage that refuses or is silent gives a page that says so, and the next call tries again."""
    app = await filled()
    page = page_of(app)
    app.steps.fail_before(error)
    status, html = await asked(page)
    assert status == 503
    assert text in unescape(html)
    assert (await asked(page))[0] == 200


async def test_empty_account_has_a_page() -> None:
    """An account without any request has a page without numbers."""
    status, html = await asked(page_of(FakeApp()))
    assert status == 200
    assert "Ultima accettata da IO mai Richieste 0" in _text(html)
    assert "Contatori rifatti dal registro: mai" in _text(html)


def test_policy_allows_only_the_style() -> None:
    """The security policy names the hash of the style and allows nothing else; no answer is stored."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert POLICY.split("; ") == [
        *("default-src 'none'", f"style-src 'sha256-{digest}'", "form-action 'self'", "base-uri 'none'"),
        "frame-ancestors 'none'",
    ]
    assert HEADERS["Cache-Control"] == "no-store"


def test_page_is_only_read() -> None:
    """The app answers GET on one route, and no other method."""
    registered = func.FunctionApp()
    registered.register_functions(blueprint(FakeApp().stores, ROLE, signs_in=True))
    triggers: list[Any] = [one.get_trigger() for one in registered.get_functions()]
    assert [(one.route, [str(method) for method in one.methods]) for one in triggers] == [("status", ["GET"])]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"campaign": CAMPAIGN},
        {"request_id": "tari-000123"},
        {"request_id": "tari-000777"},
        {"request_id": "no"},
    ],
)
async def test_page_is_well_formed_and_accessible(fields: dict[str, str]) -> None:
    """Tags close in order, ids resolve, each field has a label, and there are headings and landmarks."""
    _, html = await asked(page_of(await filled()), fields)
    read = HtmlReader(html)
    assert read.open == []
    ids = [str(attributes["id"]) for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    references = ("aria-labelledby", "aria-describedby", "for")
    named = {name for _, one in read.tags for key in references for name in str(one.get(key) or "").split()}
    linked = {str(one["href"]).removeprefix("#") for one in read.all("a") if str(one["href"]).startswith("#")}
    assert named | linked <= set(ids)
    fields_of = [*read.all("input"), *read.all("select")]
    assert {one["id"] for one in fields_of} == {one["for"] for one in read.all("label")}
    assert read.all("html") == [{"lang": "it"}]
    assert [len(read.all(tag)) for tag in ("h1", "main", "header", "footer")] == [1, 1, 1, 1]
    assert len(read.all("h2")) == len(read.all("section"))
    assert len(read.all("caption")) == len(read.all("table"))
    assert {one.get("scope") for one in read.all("th")} <= {"row", "col"}
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in read.tags}
    assert not [one for _, one in read.tags if "style" in one or any(name.startswith("on") for name in one)]
    assert not re.search(r"https?:|@import|http-equiv", html)


PAIRS = {("text", "ground"): 4.5, ("soft", "ground"): 4.5, ("ink", "ground"): 4.5} | {
    **{("focus", "ground"): 3, ("rule", "ground"): 3, ("ink", "pale"): 3}
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_contrast(scheme: str) -> None:
    """Text has a contrast of 4.5, lines, patterns and the focus of 3 (WCAG 1.4.3, 1.4.11)."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#\w+)", blocks[["light", "dark"].index(scheme)]))
    low = {pair: _contrast(*(colours[name] for name in pair)) for pair in PAIRS}
    assert {pair: found for pair, found in low.items() if found < PAIRS[pair]} == {}


def test_nothing_moves() -> None:
    """The style has no animation and no transition, and no text has a fixed size in pixels but in plots."""
    assert not re.search(r"animation|transition|@keyframes", STYLE)
    assert re.findall(r"font-size: \d+px", STYLE) == ["font-size: 14px"]


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
