"""The sample: every kind of request that the demo puts on `message-requests`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from local.demo.cases import DELIVERED, IDLE, IN_DOUBT, PAID, READ, SETTLED, Case, CaseMaker, Citizen, Row
from local.demo.texts import (
    APPOINTMENT,
    IDENTITY_CARD,
    NURSERY,
    PARKING_PERMIT,
    RECEIPT,
    SCHOOL_MEALS,
    WASTE_TAX,
)
from local.demo.week_later import a_week_after
from reminders.calendar import DAY, local_day

SERVICES = ("anagrafe", "scuola", "tributi")

# The app polls a message 10 s after its acceptance, and then not for hours.
READER: Citizen = {**IDLE, "reads_after_seconds": 2}
PAYER: Citizen = {**READER, "pays_after_seconds": 4}
LATE_READER: Citizen = {**IDLE, "reads_after_seconds": 3 * DAY.total_seconds()}
PAYER_ELSEWHERE: Citizen = {**IDLE, "pays_after_seconds": 4}
SILENT_READER: Citizen = {**READER, "read_status_unavailable": [{}]}
OUTSIDER: Citizen = {"on_io": False}
INBOX_OFF: Citizen = {"inbox_enabled": False}
BLOCKS_TAXES: Citizen = {**IDLE, "sender_allowed": {"tributi": False}}
REJECTING: Citizen = {"processing_outcome": "REJECTED"}
UNLUCKY: Citizen = {"processing_outcome": "FAILED"}

NOT_FOUND = ("skipped (recipient_not_found)",)
NOT_ALLOWED = ("skipped (sender_not_allowed)",)
UNAVAILABLE = (*DELIVERED, "read_unavailable")
REMINDED = ("reminded",)
AMOUNT_REFUSED = ("refused (payment_amount_not_allowed)", "parked (payment_amount_not_allowed)")

PREMIUM = {"feature_level_type": "ADVANCED"}
REMIND_READING = PREMIUM | {"reminders": {"unread": {"after_days": 6}}}
# In cents; above the maximum of the simulated services.
TOO_MUCH = {"content.payment_data.amount": 1_000_001}


@dataclass(frozen=True)
class Sample:
    """The cases by group.

    `doubtful` meets a broken connection, `delayed` a busy or failing IO, `others` neither. `followed` holds
    requests with reminders, and the reminders, which are due at `remind_at` (UTC). The citizens open the
    documents of `opened`.
    """

    doubtful: Sequence[Case]
    delayed: Sequence[Case]
    others: Sequence[Case]
    followed: Sequence[Case]
    opened: Sequence[Case]
    remind_at: datetime

    @property
    def cases(self) -> list[Case]:
        """All cases, in the order in which they go on the queue."""
        return [*self.doubtful, *self.delayed, *self.others, *self.followed, *self.opened]


def new_sample(now: datetime) -> Sample:
    """Return a new sample. Its dates are relative to `now` (UTC)."""
    maker, remind_at = CaseMaker(now), a_week_after(now)
    return Sample(
        doubtful=maker.of(Row("connection breaks after POST", 1, IDENTITY_CARD, IN_DOUBT)),
        delayed=maker.of(Row("IO answers 429 or 503 first", 6, NURSERY)),
        others=[
            *(case for row in (*_standard(now), *_premium()) for case in maker.of(row)),
            maker.in_base64(),
            *maker.repeated(),
            maker.other_content(),
            *(case for row in _ended(now) for case in maker.of(row)),
            *maker.invalid(),
        ],
        followed=_followed(maker, remind_at),
        opened=[
            maker.with_document(Row("PDF opened by the citizen", 1, RECEIPT, READ, READER, fields=PREMIUM))
        ],
        remind_at=remind_at,
    )


def _standard(now: datetime) -> list[Row]:
    soon = {"not_before": f"{now + timedelta(seconds=10):%Y-%m-%dT%H:%M:%SZ}"}
    return [
        Row("notice", 4, IDENTITY_CARD),
        Row("deadline", 3, NURSERY),
        Row("payment", 2, SCHOOL_MEALS),
        Row("in English, as preferred", 2, APPOINTMENT, language="en_GB"),
        Row("in German, as preferred", 1, APPOINTMENT, language="de_DE"),
        Row("in Italian, as there is no French text", 1, APPOINTMENT, language="fr_FR"),
        Row("citizen blocks another service", 1, IDENTITY_CARD, citizen=BLOCKS_TAXES),
        Row("not before 10 s from now", 1, APPOINTMENT, fields=soon),
    ]


def _premium() -> list[Row]:
    return [
        Row("Premium, not read", 2, PARKING_PERMIT, fields=PREMIUM),
        Row("Premium, read", 3, PARKING_PERMIT, READ, READER, fields=PREMIUM),
        Row(
            "Premium, read status unavailable",
            2,
            PARKING_PERMIT,
            UNAVAILABLE,
            SILENT_READER,
            fields=PREMIUM,
        ),
        Row("Premium payment, read", 2, WASTE_TAX, READ, READER, fields=PREMIUM),
        Row("Premium payment, read, paid", 4, WASTE_TAX, PAID, PAYER, fields=PREMIUM),
        Row("Premium payment, paid at the bank", 2, WASTE_TAX, SETTLED, READER, fields=PREMIUM, settled=True),
        Row(
            "Premium payment, paid unread",
            1,
            WASTE_TAX,
            (*DELIVERED, "paid"),
            PAYER_ELSEWHERE,
            fields=PREMIUM,
        ),
    ]


def _ended(now: datetime) -> list[Row]:
    """Return rows that are not sent, or that IO does not deliver."""
    past = {"expires_at": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}
    return [
        Row("citizen is not on IO", 2, IDENTITY_CARD, NOT_FOUND, OUTSIDER),
        Row("citizen's inbox is off", 1, IDENTITY_CARD, NOT_FOUND, INBOX_OFF),
        Row("citizen blocks this service", 2, WASTE_TAX, NOT_ALLOWED, BLOCKS_TAXES),
        Row("expired before sending", 1, APPOINTMENT, ("expired",), fields=past),
        Row("amount above the maximum", 1, WASTE_TAX, AMOUNT_REFUSED, fields=TOO_MUCH),
        Row("rejected by IO in the end", 1, IDENTITY_CARD, ("accepted", "rejected"), REJECTING),
        Row("failed at IO in the end", 1, IDENTITY_CARD, ("accepted", "failed"), UNLUCKY),
    ]


def _followed(maker: CaseMaker, remind_at: datetime) -> list[Case]:
    """Return cases with a reminder a week later, unless IO then shows that it is no longer needed."""
    due = local_day(remind_at) + DAY
    remind_paying = PREMIUM | {
        "content.due_date": f"{due}T23:59:59+02:00",
        "reminders": {"unpaid": {"days_before_due": [1]}},
    }
    unread = Row(
        "Premium, not read in a week", 1, PARKING_PERMIT, fields=REMIND_READING, a_week_later=REMINDED
    )
    unpaid = Row(
        "Premium payment, due tomorrow",
        1,
        WASTE_TAX,
        READ,
        READER,
        fields=remind_paying,
        a_week_later=REMINDED,
    )
    read = Row(
        "Premium, read after three days",
        1,
        PARKING_PERMIT,
        citizen=LATE_READER,
        fields=REMIND_READING,
        a_week_later=("read",),
        not_reminded=("read",),
    )
    return [
        *maker.reminded(unread, "unread-1", "Promemoria: hai un messaggio da leggere"),
        *maker.reminded(unpaid, "unpaid-1", f"Promemoria: hai un avviso da pagare entro il {due:%d/%m/%Y}"),
        *maker.of(read),
    ]
