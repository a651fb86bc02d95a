"""What each answer of IO means.

A row matches a status and the beginning of the answer's title (IO), message (API Management) or detail. The
first row that matches wins. The words come from the code that answers: pagopa/io-messages apps/services-func
(CreateMessage, GetMessage) and apps/rc-func (configurations) at 88d155d5, pagopa/io-functions-services
(profiles at 72b2ff3d, GetSubscriptionsFeed), pagopa/io-ts-commons src/responses.ts, and API Management's own
bodies.

IO makes every check that ends in 400, 403 or 404 before it creates a message, so on a send these statuses
prove that IO created nothing. Only IO's own words refuse a message. A 4xx without IO's problem body comes
from a gateway or a firewall in front of IO and says nothing about the message (Unreachable on a send,
Unavailable on a read). A 403 in unknown words is Misconfigured: it stops the key. The same happens where IO
answers a bare "Forbidden" instead of naming the cause, as the rewrite of its Messages API does.

A POST is in doubt (InDoubt) after any answer that proves neither acceptance nor refusal, and after no answer
at all: a timeout, a broken connection, an unknown exception (`client.py`, `_failure`). A request is also in
doubt when its lease expires without a result (`send_message/delivery.py`, `next_action`; `poison/park.py`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from io_api.errors import (
    DEFAULT_RETRY_AFTER,
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
)
from io_api.models import Problem

_LONGEST_RETRY_AFTER = 3600.0
ANY = ""
_BEFORE_CREATION = frozenset({400, 404, 413})
# A gateway that gave up waiting may have forwarded the request (499: nginx, client closed the connection).
_GAVE_UP_WAITING = frozenset({408, 499})


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. The body is empty if it did not arrive whole: the status alone decides then."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @cached_property
    def problem(self) -> Problem:
        return Problem.in_body(self.body)

    def says(self, status: int, words: str) -> bool:
        """Return whether the answer has this status and its title, message or detail begins with `words`."""
        texts = (self.problem.title, self.problem.message, self.problem.detail)
        start = words.casefold()
        return self.status == status and any((text or "").casefold().startswith(start) for text in texts)

    @property
    def is_of_io(self) -> bool:
        """Whether an error is in IO's own form (title, status, detail), which no gateway writes."""
        return bool(self.problem.title) and self.problem.status in (None, self.status)

    @property
    def calls_left(self) -> int | None:
        """The calls that the account has left in the window (x-rate-limit-remaining); None if not given."""
        left = self.headers.get("x-rate-limit-remaining", "")
        return int(left) if left.isdecimal() else None

    @property
    def retry_after(self) -> float:
        """The seconds to wait after a 429: five if IO names none, at most an hour."""
        try:
            seconds = float(self.headers.get("x-rate-limit-retry-after", ""))
        except ValueError:
            return DEFAULT_RETRY_AFTER
        if not math.isfinite(seconds) or seconds < 0:
            return DEFAULT_RETRY_AFTER
        return min(seconds, _LONGEST_RETRY_AFTER)


class Row(NamedTuple):
    status: int
    words: str
    error: type[IoError]
    reason: str


EVERY_CALL = (
    Row(401, ANY, Misconfigured, "invalid_key"),
    Row(403, "Anonymous user", Misconfigured, "anonymous_user"),
    Row(403, "User has no valid scopes", Misconfigured, "no_valid_scopes"),
    Row(403, "You are not allowed here", Misconfigured, "not_allowed"),
    Row(403, "Production call forbidden", Misconfigured, "production_call_forbidden"),
    Row(403, "Recipient forbidden", Misconfigured, "recipient_forbidden"),
    Row(403, "Invalid client certificate", Misconfigured, "client_certificate_required"),
    Row(403, ANY, Misconfigured, "forbidden"),
    Row(404, "Resource not found", Misconfigured, "wrong_base_url"),
    Row(429, ANY, RateLimited, "rate_limited"),
)

SUBMIT_MESSAGE = (
    Row(400, "Error while sending payment metadata", Refused, "payment_amount_not_allowed"),
    Row(400, ANY, Refused, "invalid_message"),
    # These three have the title "You are not allowed here". Only the detail distinguishes them from a
    # missing scope of the whole account.
    Row(403, "You do not have enough permissions to send a Premium", Refused, "premium_not_allowed"),
    Row(403, "You do not have enough permissions to send a payment", Refused, "payee_not_allowed"),
    Row(403, "You do not have enough permissions to send a third party", Refused, "third_party_not_allowed"),
    Row(403, "Recipient forbidden", Refused, "recipient_forbidden"),
    Row(403, "No configuration id", Refused, "remote_content_configuration_missing"),
    Row(403, "Not your configuration", Refused, "remote_content_configuration_not_owned"),
    Row(403, "Attachments call forbidden", Refused, "attachments_not_allowed"),
    Row(404, "Remote Content Configuration NOT FOUND", Refused, "remote_content_configuration_not_found"),
    Row(413, ANY, Refused, "message_too_large"),
    *EVERY_CALL,
)

GET_PROFILE = (
    Row(400, ANY, Refused, "invalid_fiscal_code"),
    # A limited account may write to some citizens only. IO refuses this citizen; the key still works.
    Row(403, "Recipient forbidden", Refused, "recipient_forbidden"),
    *EVERY_CALL,
)

GET_MESSAGE = (
    Row(400, ANY, Unavailable, "invalid_request"),
    Row(404, "Message not found", MessageNotFound, "message_not_found"),
    # Another service sent the message, perhaps one that had the same name here. This error concerns one
    # message and not the key.
    Row(403, "You are not allowed to read this", MessageForbidden, "not_this_service"),
    Row(403, "Forbidden", MessageForbidden, "forbidden"),
    Row(500, "Error retrieving Payment Status", PaymentLookupFailed, "payment_lookup_failed"),
    *EVERY_CALL,
)

GET_SUBSCRIPTIONS = (
    Row(400, ANY, Unavailable, "invalid_request"),
    # IO gives the feed to few accounts. The same words hide a missing scope, a service whose data are not
    # complete and a wrong source address. None of them says anything about sends.
    Row(403, ANY, Refused, "feed_not_allowed"),
    Row(404, "Data not available yet", DayNotReady, "day_not_ready"),
    *EVERY_CALL,
)

CONFIGURATIONS = (
    Row(400, ANY, Refused, "invalid_configuration"),
    Row(403, ANY, Misconfigured, "configurations_not_allowed"),
    Row(404, "Configuration not found", Refused, "configuration_not_found"),
    *EVERY_CALL,
)


def error_in(answer: Answer, rows: tuple[Row, ...], otherwise: type[IoError]) -> IoError:
    """Return the error of the first matching row, or `otherwise` with server_error or unexpected_answer."""
    row = next((row for row in rows if _matches(row, answer)), None)
    if row is None and otherwise is InDoubt and _proves_not_created(answer):
        otherwise = Unreachable
    unlisted = "server_error" if answer.status >= 500 else "unexpected_answer"
    error = (row.error if row else otherwise)(
        reason=row.reason if row else unlisted,
        status=answer.status,
        title=answer.problem.title or answer.problem.message,
    )
    if isinstance(error, RateLimited):
        error.retry_after = answer.retry_after
    return error


def _matches(row: Row, answer: Answer) -> bool:
    return answer.says(row.status, row.words) and (answer.is_of_io or row.error is not Refused)


def _proves_not_created(answer: Answer) -> bool:
    """Return whether a 4xx proves that the request did not reach IO, or that IO created nothing."""
    by_another = answer.status not in _GAVE_UP_WAITING and not answer.is_of_io
    return answer.status in _BEFORE_CREATION or (400 <= answer.status < 500 and by_another)
