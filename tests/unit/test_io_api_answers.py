"""The error for each answer of IO."""

import json

import pytest

from io_api import errors
from io_api.answers import (
    GET_MESSAGE,
    GET_PROFILE,
    GET_SUBSCRIPTIONS,
    SUBMIT_MESSAGE,
    Answer,
    Row,
    error_in,
)
from io_api.errors import (
    DayNotReady,
    InDoubt,
    IoError,
    MessageForbidden,
    MessageNotFound,
    Misconfigured,
    PaymentLookupFailed,
    RateLimited,
    Refused,
    Unavailable,
    Unreachable,
    masked,
)

FISCAL_CODE = "RSSMRA80A01H501U"
NOT_ALLOWED = "You are not allowed here"
PERMISSIONS = "You do not have enough permissions to send "
BARE_FORBIDDEN = {"title": "Forbidden", "status": 403}
APIM_KEY = {"statusCode": 401, "message": "Access denied due to invalid subscription key. Make sure to ..."}
APIM_PATH = {"statusCode": 404, "message": "Resource not found"}
APIM_RATE = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds."}


def problem(title: str, detail: str = "") -> dict[str, str]:
    return {"title": title, "detail": detail}


def answer(status: int, body: object = "", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, json.dumps(body).encode())


SUBMITS: list[tuple[int, object, type[IoError], str]] = [
    (400, problem("Invalid message structure", "value ..."), Refused, "invalid_message"),
    (400, problem("Bad parameters"), Refused, "invalid_message"),
    (400, problem("Error while sending payment metadata"), Refused, "payment_amount_not_allowed"),
    (401, APIM_KEY, Misconfigured, "invalid_key"),
    (401, "", Misconfigured, "invalid_key"),
    (403, problem("Recipient forbidden"), Refused, "recipient_forbidden"),
    (403, problem(NOT_ALLOWED, PERMISSIONS + "a Premium message"), Refused, "premium_not_allowed"),
    (403, problem(NOT_ALLOWED, PERMISSIONS + "a payment message with payee"), Refused, "payee_not_allowed"),
    (403, problem(NOT_ALLOWED, PERMISSIONS + "a third party message"), Refused, "third_party_not_allowed"),
    (403, problem(NOT_ALLOWED, "You do not have enough permission to"), Misconfigured, "not_allowed"),
    (403, problem("No configuration id for remote content"), Refused, "remote_content_configuration_missing"),
    (403, problem("Not your configuration"), Refused, "remote_content_configuration_not_owned"),
    (403, problem("Attachments call forbidden"), Refused, "attachments_not_allowed"),
    (403, problem("Production call forbidden"), Misconfigured, "production_call_forbidden"),
    (403, problem("User has no valid scopes"), Misconfigured, "no_valid_scopes"),
    (403, problem("Anonymous user"), Misconfigured, "anonymous_user"),
    (403, {"title": "Anonymous user", "status": "Forbidden"}, Misconfigured, "anonymous_user"),
    (400, {"title": "Bad Request", "status": "Bad Request"}, Unreachable, "unexpected_answer"),
    (400, {"title": "Bad Request", "status": True}, Unreachable, "unexpected_answer"),
    (403, {"message": "Invalid client certificate"}, Misconfigured, "client_certificate_required"),
    (403, BARE_FORBIDDEN, Misconfigured, "forbidden"),
    (403, "", Misconfigured, "forbidden"),
    (
        404,
        problem("Remote Content Configuration NOT FOUND"),
        Refused,
        "remote_content_configuration_not_found",
    ),
    (404, APIM_PATH, Misconfigured, "wrong_base_url"),
    (404, "", Unreachable, "unexpected_answer"),
    (404, "<html>Not Found</html>", Unreachable, "unexpected_answer"),
    (404, problem("Not Found"), Unreachable, "unexpected_answer"),
    (400, "<html>Bad Request</html>", Unreachable, "unexpected_answer"),
    (400, "", Unreachable, "unexpected_answer"),
    (400, [], Unreachable, "unexpected_answer"),
    (400, {"statusCode": 400, "message": "Bad request"}, Unreachable, "unexpected_answer"),
    (400, {"title": "Bad Gateway", "status": 502}, Unreachable, "unexpected_answer"),
    (405, "", Unreachable, "unexpected_answer"),
    (408, "", InDoubt, "unexpected_answer"),
    (499, "", InDoubt, "unexpected_answer"),
    (409, problem("Conflict"), InDoubt, "unexpected_answer"),
    (409, "", Unreachable, "unexpected_answer"),
    (451, "<html>", Unreachable, "unexpected_answer"),
    (413, problem("Payload too large"), Refused, "message_too_large"),
    (413, "<html>", Unreachable, "unexpected_answer"),
    (429, APIM_RATE, RateLimited, "rate_limited"),
    (200, {"id": "x"}, InDoubt, "unexpected_answer"),
    (202, "", InDoubt, "unexpected_answer"),
    (307, "", InDoubt, "unexpected_answer"),
    (500, problem("Internal server error", "Unable to store processing message"), InDoubt, "server_error"),
    (502, "<html>", InDoubt, "server_error"),
    (503, "", InDoubt, "server_error"),
    (504, "", InDoubt, "server_error"),
]

PROFILES: list[tuple[int, object, type[IoError], str]] = [
    (400, problem("Invalid FiscalCode"), Refused, "invalid_fiscal_code"),
    (400, "<html>Bad Request</html>", Unavailable, "unexpected_answer"),
    (400, "", Unavailable, "unexpected_answer"),
    (401, APIM_KEY, Misconfigured, "invalid_key"),
    (403, problem("Recipient forbidden"), Refused, "recipient_forbidden"),
    (403, BARE_FORBIDDEN, Misconfigured, "forbidden"),
    (404, APIM_PATH, Misconfigured, "wrong_base_url"),
    (404, "<html>Not Found</html>", Unavailable, "unexpected_answer"),
    (404, problem("Something else not found"), Unavailable, "unexpected_answer"),
    (429, APIM_RATE, RateLimited, "rate_limited"),
    (500, problem("Internal server error"), Unavailable, "server_error"),
    (201, "", Unavailable, "unexpected_answer"),
]

LOOKUP = "Error retrieving Payment Status: Failed to fetch"
MESSAGES: list[tuple[int, object, type[IoError], str]] = [
    (400, problem("Invalid messageId"), Unavailable, "invalid_request"),
    (401, APIM_KEY, Misconfigured, "invalid_key"),
    (
        403,
        problem(NOT_ALLOWED, "You are not allowed to read this message, you"),
        MessageForbidden,
        "not_this_service",
    ),
    (403, problem(NOT_ALLOWED, "You do not have enough permission to"), Misconfigured, "not_allowed"),
    (403, BARE_FORBIDDEN, MessageForbidden, "forbidden"),
    (403, "<html>Forbidden</html>", Misconfigured, "forbidden"),
    (403, problem("User has no valid scopes"), Misconfigured, "no_valid_scopes"),
    (404, problem("Message not found"), MessageNotFound, "message_not_found"),
    (404, APIM_PATH, Misconfigured, "wrong_base_url"),
    (404, "", Unavailable, "unexpected_answer"),
    (429, APIM_RATE, RateLimited, "rate_limited"),
    (500, problem("Internal server error", LOOKUP), PaymentLookupFailed, "payment_lookup_failed"),
    (500, problem("Internal server error"), Unavailable, "server_error"),
    (502, "", Unavailable, "server_error"),
]

FEEDS: list[tuple[int, object, type[IoError], str]] = [
    (400, problem("Invalid string that matches the pattern"), Unavailable, "invalid_request"),
    (401, APIM_KEY, Misconfigured, "invalid_key"),
    (403, problem(NOT_ALLOWED, "You do not have enough permission to"), Refused, "feed_not_allowed"),
    (403, problem("User has no valid scopes"), Refused, "feed_not_allowed"),
    (403, "<html>Forbidden</html>", Misconfigured, "forbidden"),
    (404, problem("Data not available yet"), DayNotReady, "day_not_ready"),
    (404, APIM_PATH, Misconfigured, "wrong_base_url"),
    (429, APIM_RATE, RateLimited, "rate_limited"),
    (500, problem("Internal server error"), Unavailable, "server_error"),
]

TABLE = [
    *((SUBMIT_MESSAGE, InDoubt, *row) for row in SUBMITS),
    *((GET_PROFILE, Unavailable, *row) for row in PROFILES),
    *((GET_MESSAGE, Unavailable, *row) for row in MESSAGES),
    *((GET_SUBSCRIPTIONS, Unavailable, *row) for row in FEEDS),
]


@pytest.mark.parametrize(("rows", "otherwise", "status", "body", "expected", "reason"), TABLE)
def test_an_answer_means_what_the_domain_notes_say(
    rows: tuple[Row, ...],
    otherwise: type[IoError],
    status: int,
    body: object,
    expected: type[IoError],
    reason: str,
) -> None:
    """Each status and title of IO gives the error and reason of its row, and the error keeps the status."""
    error = error_in(answer(status, body), rows, otherwise)

    assert (type(error), error.reason, error.status) == (expected, reason, status)


def test_every_row_of_a_send_is_tried() -> None:
    """No row of the table is hidden by an earlier one."""
    assert {row.reason for row in SUBMIT_MESSAGE} <= {reason for *_, reason in SUBMITS}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), ("0", 0.0), ("0.5", 0.5), ("9" * 9, 3600.0)]
    + [(garbage, 5.0) for garbage in ("", "-1", "nan", "inf", "soon", "Wed, 21 Oct 2026 07:28:00 GMT")],
)
def test_retry_after_is_what_io_says(header: str, seconds: float) -> None:
    """The wait after a 429 is x-rate-limit-retry-after, or five seconds if that is not a usable number."""
    error = error_in(answer(429, APIM_RATE, x_rate_limit_retry_after=header), SUBMIT_MESSAGE, InDoubt)

    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


def test_retry_after_has_a_default() -> None:
    """Without that header the wait is five seconds, whatever the standard Retry-After says."""
    error = error_in(answer(429, APIM_RATE, retry_after="77"), GET_PROFILE, Unavailable)

    assert isinstance(error, RateLimited)
    assert error.retry_after == 5.0


@pytest.mark.parametrize(
    "code", [FISCAL_CODE, FISCAL_CODE.lower(), "RSSMRAULALMHRLMU"[:16], "AAAAAA00A00A000A"]
)
def test_a_title_never_carries_a_fiscal_code(code: str) -> None:
    """Any text with the shape of a fiscal code is masked in a title, and the detail is not kept."""
    body = {"title": f"Invalid [{code}]{code}x", "detail": f"value [{code}]"}
    error = error_in(answer(400, body), SUBMIT_MESSAGE, InDoubt)

    assert error.title == "Invalid [[fiscal code]][fiscal code]x"
    assert code not in f"{error}{error!r}{error.__dict__}"


def test_a_title_is_one_short_line() -> None:
    """A title is cut and put on one line, so it cannot break a log line or fill a ledger column."""
    assert masked("a\nb\t c" + "x" * 500) == ("a b c" + "x" * 195)


def test_an_error_says_what_to_do_and_why() -> None:
    """An error's text is its class's constant sentence, then the reason, the status and the title."""
    error = Misconfigured(reason="invalid_key", status=401, title="Access denied")

    assert str(error) == (
        "IO does not accept this key or address: stop using the key and correct its settings."
        " [invalid_key, HTTP 401, Access denied]"
    )


def depths(parent: type[IoError], depth: int = 1) -> dict[str, int]:
    found: dict[str, int] = {}
    for child in parent.__subclasses__():
        found |= {child.__name__: depth, **depths(child, depth + 1)}
    return found


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Every class is in the docstring's tree, at its depth."""
    lines = [line for line in (errors.__doc__ or "").splitlines() if "──" in line]

    assert {line.split("── ")[1].split()[0]: line.index("──") // 4 for line in lines} == depths(IoError)
