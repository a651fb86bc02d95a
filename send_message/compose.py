"""Turns a request into the message that IO takes."""

from contract.fields import Language
from contract.request import MessageRequest
from io_api.models import NewMessage


def compose(request: MessageRequest, language: Language | None) -> NewMessage:
    """The message in one of the request's languages (None: Italian); both models use IO's own words."""
    content = request.content_in(language)
    return NewMessage.model_validate(
        {
            "fiscal_code": request.fiscal_code,
            "feature_level_type": request.feature_level_type,
            "content": content.model_dump(exclude_none=True),
        }
    )
