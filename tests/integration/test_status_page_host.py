"""The status page over HTTP, through the local host with its sign-in."""

import shutil
import urllib.request
from collections.abc import Iterator

import pytest

from local.azurite import Azurite
from tests.integration.host_process import PROJECT, HostProcess, SampleApp
from tests.integration.test_host_http import call
from tests.samples import FISCAL_CODE, KEYS
from tests.shared_azurite import SharedAzurite
from tests.status_page import ROLE, principal

SIGNED_IN = {"Cookie": "AppServiceAuthSession=local"}


@pytest.fixture(scope="module")
def host(
    tmp_path_factory: pytest.TempPathFactory, accounts: Iterator[SharedAzurite]
) -> Iterator[HostProcess]:
    """A host that signs people in with the role of the page, on an account of its own."""
    folder = tmp_path_factory.mktemp("app")
    for name in ("function_app.py", "host.json"):
        shutil.copy(PROJECT / name, folder)
    app = SampleApp.__new__(SampleApp)
    app.folder = folder
    host = HostProcess(app, _settings(next(accounts)))
    try:
        host.wait_until_ready()
        yield host
    finally:
        host.kill()


def _settings(azurite: Azurite) -> dict[str, str]:
    return {
        "AzureWebJobsStorage": azurite.connection_string,
        "IO_API_KEY": "made-up-key",
        "IO_API_BASE_URL": "http://127.0.0.1:9/api/v1",
        "ENCRYPTION_KEYS": KEYS[0].get_secret_value(),
        "STATUS_PAGE_ROLE": ROLE,
        "LOCAL_HOST_ROLES": ROLE,
    }


def test_who_signed_in_sees_the_page(host: HostProcess) -> None:
    """After the sign-in the page is served as HTML, with its security headers."""
    status, body, headers = call(host, "/api/status", headers=SIGNED_IN)
    assert status == 200
    assert "Stato dei messaggi: tutte le campagne" in body.decode()
    low = {name.lower(): value for name, value in headers.items()}
    assert low["content-type"] == "text/html; charset=utf-8"
    assert low["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert (low["cache-control"], low["referrer-policy"]) == ("no-store", "no-referrer")
    assert low["x-content-type-options"] == "nosniff"


def test_sign_in_leads_back_to_the_page(host: HostProcess) -> None:
    """The sign-in that a refused browser is sent to leads it back to the page."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(f"{host.address}/.auth/login/aad?post_login_redirect_uri=/api/status") as answer:
        assert (answer.status, answer.url) == (200, f"{host.address}/api/status")


def test_who_did_not_sign_in_sees_nothing(host: HostProcess) -> None:
    """Without the sign-in a call is 401, even with a header that only the platform may set."""
    for headers in ({}, {"X-MS-CLIENT-PRINCIPAL": principal(ROLE)}):
        status, body, _ = call(host, "/api/status", headers=headers)
        assert (status, "Bisogna entrare" in body.decode()) == (401, True)


def test_page_takes_no_other_method(host: HostProcess) -> None:
    """A POST is refused, also of an operator."""
    assert call(host, "/api/status", b"", headers=SIGNED_IN)[0] in (404, 405)


def test_ids_that_are_looked_up_are_in_no_log(host: HostProcess) -> None:
    """A look-up writes neither its request_id nor a fiscal code to the output."""
    assert call(host, "/api/status?request_id=TARI-2026-4711", headers=SIGNED_IN)[0] == 404
    assert call(host, f"/api/status?request_id={FISCAL_CODE}", headers=SIGNED_IN)[0] == 400
    output = host.stdout + host.stderr
    assert "TARI-2026-4711" not in output
    assert FISCAL_CODE not in output
