"""Reminders to citizens who have not read or not paid, as a request or a service's settings ask for them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

from contract.fields import STRICT, FeatureLevelType, Language
from contract.text import Markdown, Subject, Text, with_subject
from contract.violations import broken


class _Reminder(BaseModel):
    """The text of a reminder. Without subject and markdown, Postino uses its own text in every language."""

    model_config = STRICT

    subject: Subject | None = Field(
        default=None,
        repr=False,
        description="Title in Italian: 10 to 120 UTF-16 code units, no personal data. Subject and markdown "
        "together replace Postino's own text.",
    )
    markdown: Markdown | None = Field(
        default=None,
        validate_default=True,
        repr=False,
        description="Text in Italian, in IO's markdown: 80 to 10000 UTF-16 code units.",
    )
    translations: dict[Language, Text] = Field(
        default={},
        repr=False,
        description="The same text in other languages. Postino chooses one as for the request.",
    )

    _together = field_validator("markdown")(with_subject)

    @field_validator("translations")
    @classmethod
    def _of_own_text(cls, translations: dict[Language, Text], info: ValidationInfo) -> dict[Language, Text]:
        if translations and "markdown" in info.data and info.data["markdown"] is None:
            raise broken(["need subject and markdown: Postino's own text has its translations"])
        return translations


class UnreadReminders(_Reminder):
    """Reminders to citizens who have not read a Premium message."""

    after_days: int = Field(
        ge=1, le=30, description="Days from IO's acceptance of the message to the first reminder."
    )
    times: int = Field(default=1, ge=1, le=3, description="Maximum number of reminders.")
    days_between: int = Field(
        default=3, ge=1, le=15, description="Minimum days from any other reminder of the same message."
    )


def _far_to_near(days: list[int]) -> list[int]:
    if len(set(days)) < len(days):
        raise broken(["must not name a day twice"])
    return sorted(days, reverse=True)


class UnpaidReminders(_Reminder):
    """Reminders to citizens who have not paid the notice of a Premium message."""

    days_before_due: Annotated[
        list[Annotated[int, Field(ge=0, le=60)]],
        Field(min_length=1, max_length=5, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_far_to_near),
    ] = Field(description="Days before content.due_date, each 0 to 60; 0 is the last day itself.")


class Reminders(BaseModel):
    """The reminders of a message. An empty object asks for no reminders."""

    model_config = STRICT

    unread: UnreadReminders | None = Field(default=None, description="For citizens who have not read.")
    unpaid: UnpaidReminders | None = Field(default=None, description="For citizens who have not paid.")
    feature_level_type: FeatureLevelType = Field(
        default="STANDARD", description="Type of the reminders themselves. Each ADVANCED one is charged for."
    )


class ReminderPolicy(Reminders):
    """The reminders of a service, for requests that name none.

    The policy also says how to treat a hidden read status and IO's own reminders.
    """

    when_unavailable: Literal["skip", "remind"] = Field(
        default="skip", description="What to do when IO may not disclose whether the citizen has read."
    )
    on_io_days: Literal["avoid", "remind"] = Field(
        default="avoid",
        description="Whether to avoid the days on which IO itself may send reminders of a payment.",
    )
