"""The errors of calls to IO, named by what the caller must do.

    IoError
    ├── NotSent                     certainly had no effect at IO: may be tried again
    │   ├── RateLimited             wait `retry_after` seconds first
    │   ├── Suspended               paused, keys refused, or IO failing or slow: wait `retry_after` seconds
    │   ├── Unreachable             no connection was made, or a gateway rejected the call: try later
    │   └── Misconfigured           stop using this key, correct the settings; no message is lost
    ├── Refused                     IO will never accept it as it is: record the reason, do not repeat
    ├── InDoubt                     the message may have been created: never repeat, an operator decides
    └── Unavailable                 a read gave nothing usable: repeat it later
        ├── PaymentLookupFailed     repeat at a low rate, keep the read status already known
        ├── MessageNotFound         IO does not know a message it accepted: raise an alarm
        ├── MessageForbidden        IO says that another service sent the message: raise an alarm
        └── DayNotReady             the day of the subscriptions feed is not over: ask later

`answers.py` maps each answer to its error and reason. The other reasons:

    unreachable         Unreachable              refused, name not found, TLS failure, no connection in time
    not_prepared        Unreachable              the call could not be started: a defect
    unexpected_answer   Unreachable              a 4xx of a send that is not in IO's words
    timeout             InDoubt, Unavailable     sent, and no answer within the client's timeout
    connection_lost     InDoubt, Unavailable     sent, and the connection broke before the answer
    unexpected_failure  InDoubt, Unavailable     anything else: a defect, here or in a library
    server_error        InDoubt, Unavailable     a status of 500 or more
    unexpected_answer   InDoubt, Unavailable     any other status without a meaning for the call
    unreadable_answer   Unavailable              a 200 that cannot be read
    invalid_key         Misconfigured            also a key that cannot be written in a header
    budget_spent        RateLimited              no call was made: other calls of the account use up the limit
    not_ready           NotSent                  no call was made: storage did not answer at the call's slot
    paused              Suspended                no call was made: an operator paused the service
    io_slow             Suspended                no call was made: too many messages wait for IO's answer
    io_unavailable      Suspended                no call was made: IO's backend does not answer
"""

from contract.fiscal_code import FISCAL_CODE_SHAPE, MASK

_TITLE_LENGTH = 200
DEFAULT_RETRY_AFTER = 5.0
"""In seconds. IO counts calls in windows of five (pagopa/io-infra, policy of the product io_services)."""


def masked(text: str) -> str:
    """Return the text on one line, at most 200 characters, without anything shaped like a fiscal code."""
    return FISCAL_CODE_SHAPE.sub(MASK, " ".join(text.split()))[:_TITLE_LENGTH]


class IoError(Exception):
    """IO did not carry out the call.

    reason: snake_case and stable, for ledgers, metrics and alerts.
    status: the HTTP status; None if no answer came.
    title: the problem's title from IO or its gateway, masked. Never the `detail`, which quotes the request.
    cause: class name of the underlying exception. Never its text, which can hold the address.
    """

    def __init__(
        self, *, reason: str, status: int | None = None, title: str | None = None, cause: str | None = None
    ) -> None:
        self.reason = reason
        self.status = status
        self.title = masked(title) if title else None
        self.cause = cause
        super().__init__((type(self).__doc__ or "").partition("\n")[0])

    def __str__(self) -> str:
        facts = (self.reason, self.status and f"HTTP {self.status}", self.title, self.cause)
        return f"{self.args[0]} [{', '.join(fact for fact in facts if fact)}]"


class NotSent(IoError):
    """The request had no effect at IO and may be tried again."""


class RateLimited(NotSent):
    """IO's rate limit is reached: wait, then try again.

    retry_after: seconds, from `x-rate-limit-retry-after`.
    """

    retry_after: float = DEFAULT_RETRY_AFTER


class Suspended(NotSent):
    """Calls of this kind are held back: wait, then try again; `postino doctor` shows what is stopped.

    A pause, refused keys, an open breaker (io_unavailable), or an IO too slow for one more message (io_slow).
    retry_after: seconds; grows with the age of a pause or of refused keys.
    """

    retry_after: float = DEFAULT_RETRY_AFTER


class Unreachable(NotSent):
    """The call did not reach IO: try later, and check IO_API_BASE_URL and the network if this lasts."""


class Misconfigured(NotSent):
    """IO does not accept this key or address: stop using the key and correct its settings."""


class Refused(IoError):
    """IO will never accept this request as it is: correct the request before sending it again."""


class InDoubt(IoError):
    """The message left and no answer proves what IO did with it: never repeat it, let an operator decide."""


class Unavailable(IoError):
    """IO gave no usable answer to a read: repeat the read later."""


class PaymentLookupFailed(Unavailable):
    """IO could not ask pagoPA for the payment: repeat the read later and keep the known read status."""


class MessageNotFound(Unavailable):
    """IO does not know this message for this fiscal code: check what was recorded at the send."""


class MessageForbidden(Unavailable):
    """IO does not show this message to this service: check which service sent it."""


class DayNotReady(Unavailable):
    """IO gives a day of the subscriptions feed once the day is over (UTC): ask later."""
