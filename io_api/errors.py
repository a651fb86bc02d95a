"""What can go wrong when asking IO, named by what the caller must do.

    IoError
    ├── NotSent                     surely had no effect at IO: may be tried again
    │   ├── RateLimited             wait `retry_after` seconds first
    │   ├── Suspended               the service is paused or its keys are refused: wait `retry_after` seconds
    │   ├── Unreachable             no connection was made, or a gateway turned the call away; try later
    │   └── Misconfigured           stop using this key, mend the settings; no message is burnt
    ├── Refused                     IO will never take it as it is: record the reason, do not repeat
    ├── InDoubt                     the message may have been created: never repeat, an operator decides
    └── Unavailable                 a read gave nothing usable: repeat it later
        ├── PaymentLookupFailed     repeat at a low rate, keep the read status already known
        ├── MessageNotFound         IO does not know a message it accepted: raise an alarm
        └── MessageForbidden        IO says that another service sent the message: raise an alarm

`answers.py` says which answer becomes which error, with the reason each gives. The other reasons:

    unreachable         Unreachable              refused, name not found, TLS failure, no connection in time
    not_prepared        Unreachable              the call could not even be begun: a defect
    unexpected_answer   Unreachable              a 4xx of a send that is not in IO's words
    timeout             InDoubt, Unavailable     sent, and no answer within the client's timeout
    connection_lost     InDoubt, Unavailable     sent, and the connection broke before the answer
    unexpected_failure  InDoubt, Unavailable     anything else: a defect, here or in a library
    server_error        InDoubt, Unavailable     a status of 500 or more
    unexpected_answer   InDoubt, Unavailable     any other status that has no meaning for the call
    unreadable_answer   Unavailable              a 200 that cannot be read
    invalid_key         Misconfigured            also a key that cannot be written in a header
    budget_spent        RateLimited              no call was made: others of the account use up the limit
    not_ready           NotSent                  no call was made: storage did not answer when its turn came
    paused              Suspended                  no call was made: an operator wants none
    io_slow             Suspended                  no call was made: too many wait for IO's answer
    io_unavailable      Suspended                  no call was made: IO's backend does not answer
"""

from contract.fiscal_code import FISCAL_CODE_SHAPE, MASK

_TITLE_LENGTH = 200
DEFAULT_RETRY_AFTER = 5.0
"""Seconds: IO counts calls in windows of five (pagopa/io-infra, policy of the product io_services)."""


def masked(text: str) -> str:
    """The text without anything shaped like a fiscal code, on one line, at most 200 characters."""
    return FISCAL_CODE_SHAPE.sub(MASK, " ".join(text.split()))[:_TITLE_LENGTH]


class IoError(Exception):
    """IO did not do what it was asked.

    reason: snake_case and stable, for ledgers, metrics and alerts.
    status: the HTTP status, None when no answer came.
    title: what IO or its gateway called the problem, masked. Never the `detail`, which quotes the request.
    cause: class name of the exception beneath. Never its text, which can hold the address.
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
    """The request had no effect at IO: it may be tried again."""


class RateLimited(NotSent):
    """IO's rate limit is reached: wait, then try again.

    retry_after: seconds, from `x-rate-limit-retry-after`.
    """

    retry_after: float = DEFAULT_RETRY_AFTER


class Suspended(NotSent):
    """No calls are made for this service now: `postino doctor` says why and what to do.

    retry_after: seconds; the longer it has been stopped the longer it is.
    """

    retry_after: float = DEFAULT_RETRY_AFTER


class Unreachable(NotSent):
    """The call did not reach IO: try later, and check IO_API_BASE_URL and the network if it lasts."""


class Misconfigured(NotSent):
    """IO does not accept this key or address: stop using the key and mend its settings."""


class Refused(IoError):
    """IO will never accept this request as it is: correct it before sending it again."""


class InDoubt(IoError):
    """The message left and nothing proves what IO did with it: let an operator decide, never repeat it."""


class Unavailable(IoError):
    """IO gave no usable answer to a read: repeat it later."""


class PaymentLookupFailed(Unavailable):
    """IO could not ask pagoPA for the payment: repeat later, and keep the read status already known."""


class MessageNotFound(Unavailable):
    """IO does not know this message for this fiscal code: check what was recorded when it was sent."""


class MessageForbidden(Unavailable):
    """IO does not show this message to this service: check which service sent it."""
