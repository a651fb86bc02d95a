"""IO's answers: their shape, and every error body.

The gateway's errors are {"statusCode", "message"}. The backend's errors are {"title", "status", "detail"} as
application/problem+json.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime

from local.io_simulator.fiscal_code import PATTERN
from local.io_simulator.ulid import PATTERN as ULID_PATTERN

DATE_PATTERN = r"\d\d\d\d-\d\d-\d\d"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status with its body and headers."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class RefusedError(Exception):
    """The backend refuses the call with an error answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"status {answer.status}")
        self.answer = answer


def success(status: int, document: object, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a JSON answer of the backend."""
    return Answer(status, json.dumps(document, ensure_ascii=False).encode(), headers=headers or {})


def problem(status: int, title: str, detail: str) -> Answer:
    """Return an error of the backend."""
    body = json.dumps({"detail": detail, "status": status, "title": title}, ensure_ascii=False)
    return Answer(status, body.encode(), "application/problem+json")


def _gateway(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    return success(status, {"statusCode": status, "message": message}, headers)


def rate_limited(seconds: int) -> Answer:
    """Return a 429 with the header that IO sends instead of Retry-After."""
    return _gateway(
        429,
        f"Rate limit is exceeded. Try again in {seconds} seconds.",
        {"x-rate-limit-retry-after": str(seconds)},
    )


def server_error(status: int) -> Answer:
    """Return a scripted 500 of the backend, or a 502 or 503 of a server before it (body not JSON)."""
    if status == 500:
        return problem(500, "Internal server error", "Scripted failure.")
    return Answer(status, f"<html><body><h1>{status}</h1></body></html>".encode(), "text/html")


def not_allowed_here(detail: str) -> Answer:
    """Return a 403 for a missing scope, with the reason."""
    return problem(403, "You are not allowed here", detail)


def payment_lookup_failed() -> Answer:
    """Return the 500 for a GET when pagoPA did not give the payment status."""
    return problem(
        500,
        "Internal server error",
        "Error retrieving Payment Status: "
        "Failed to fetch payment status from PagoPa ecommerce api: status: 502, Bad Gateway",
    )


def amount_exceeds(amount: int, allowed: int) -> Answer:
    """Return the 400 for a payment above the service's maximum; both amounts are in cents."""
    return problem(
        400,
        "Error while sending payment metadata",
        f"The requested amount ({amount} cents) exceeds the maximum allowed for this service "
        f"({allowed} cents)",
    )


def invalid_fiscal_code(text: str) -> Answer:
    """Return the 400 for a wrong fiscal code in a path. Like IO's, its detail repeats the text sent."""
    return _unmatched(text, PATTERN)


def invalid_configuration_id(text: str) -> Answer:
    """Return the 400 for a path whose configuration_id is no ULID."""
    return _unmatched(text, ULID_PATTERN)


def _unmatched(text: str, pattern: str) -> Answer:
    return problem(
        400,
        f'Invalid string that matches the pattern "{pattern}"',
        f'value ["{text}"] at [root] is not a valid [string that matches the pattern "{pattern}"]',
    )


def invalid_date(text: str) -> Answer:
    """Return the 400 for a path whose date is none."""
    return _unmatched(text, DATE_PATTERN)


def day_not_available(day: date) -> Answer:
    """Return the 404 for a day of the subscriptions feed that is not over."""
    since = datetime.combine(day + timedelta(days=1), time(), UTC)
    return problem(
        404,
        "Data not available yet",
        f"Subscription data for {day} will be available from {format_datetime(since, usegmt=True)}",
    )


KEY_MISSING = _gateway(
    401,
    "Access denied due to missing subscription key. "
    "Make sure to include subscription key when making requests to an API.",
)
KEY_INVALID = _gateway(
    401,
    "Access denied due to invalid subscription key. "
    "Make sure to provide a valid key for an active subscription.",
)
NO_SUCH_PATH = _gateway(404, "Resource not found")

MALFORMED_JSON = problem(500, "Internal server error", "Unexpected token in JSON")
FORBIDDEN = not_allowed_here("You do not have enough permission to complete the operation you requested")
NO_SCOPES = problem(
    403,
    "User has no valid scopes",
    "You are not part of any valid scope, "
    "you should ask the administrator to give you the required permissions.",
)
RECIPIENT_FORBIDDEN = problem(
    403, "Recipient forbidden", "You are not allowed to issue requests for the recipient."
)
FISCAL_CODE_TWICE = problem(
    400,
    "Bad parameters",
    "The fiscalcode parameter must be specified in the path or in the payload but not in both",
)
FISCAL_CODE_MISSING = problem(
    400, "Bad parameters", "The fiscalcode parameter must be specified in the path or in the payload"
)
NO_CONFIGURATION = problem(
    403,
    "No configuration id for remote content",
    "You did not send any configuration id for your remote content in third_party_data",
)
NOT_YOUR_CONFIGURATION = problem(
    403,
    "Not your configuration",
    "You're not the owner of the configuration related to the given configuration_id",
)
CONFIGURATION_NOT_FOUND = problem(
    404,
    "Remote Content Configuration NOT FOUND",
    "Cannot find any Remote Content Configuration with the given id",
)
NO_SUCH_CONFIGURATION = problem(
    404, "Configuration not found", "Cannot find any remote-content configuration"
)
ATTACHMENTS_FORBIDDEN = problem(
    403,
    "Attachments call forbidden",
    "You are not allowed to send messages with attachmens with STANDARD messages, please use ADVANCED",
)
MESSAGE_NOT_FOUND = problem(
    404, "Message not found", "The message that you requested was not found in the system."
)
NOT_YOUR_MESSAGE = not_allowed_here(
    "You are not allowed to read this message, you can only read messages that you have sent"
)
PROFILE_NOT_FOUND = problem(
    404, "Profile not found", "The profile you requested was not found in the system."
)
