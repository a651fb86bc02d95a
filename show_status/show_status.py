"""The answers to a call of the page. Nothing here changes anything."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from contract.fields import Campaign, RequestId, ServiceName
from report.timeline import timeline
from show_status import messages
from show_status.overview import Overview, Selection
from show_status.overview_page import overview_page
from show_status.request_page import request_page
from show_status.sign_in import refusal
from storage.stores import Stores
from storage.table import Unanswered

log = logging.getLogger(__name__)

# The clients wait out an outage of a minute; people do not.
PATIENCE_SECONDS: Final = 10.0


class Question(BaseModel):
    """What a form of the page asks for, by the rules of the contract: no field holds a fiscal code."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    campaign: Campaign | None = None
    service: ServiceName | None = None
    request_id: RequestId | None = None

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Self:
        """Read the fields of a form, in which an empty one counts as missing. Raises ValidationError."""
        given = {name: fields.get(name, "").strip() for name in cls.model_fields}
        return cls(**{name: value for name, value in given.items() if value})


@dataclass(frozen=True)
class StatusPage:
    """Answers calls. `role`: what a person needs. `signs_in`: whether the platform signs people in."""

    stores: Stores
    overview: Overview
    role: str
    signs_in: bool

    async def answer(self, principals: Sequence[str], fields: Mapping[str, str]) -> tuple[int, str]:
        """Return the HTTP status and the page. `principals`: the values of the sign-in's header."""
        if status := refusal(principals, self.role, signs_in=self.signs_in):
            return status, messages.refused(status)
        try:
            question = Question.of(fields)
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._answer(question)
        except ValidationError as error:
            return 400, messages.not_understood(str(error.errors()[0]["loc"][0]))
        except (Unanswered, TimeoutError) as error:
            http_status = getattr(error, "status", None)
            log.warning("status page without numbers: storage does not answer http_status=%s", http_status)
            return 503, messages.no_storage(http_status)

    async def _answer(self, question: Question) -> tuple[int, str]:
        if question.request_id:
            return await self._request(question.request_id)
        return 200, overview_page(
            await self.overview.of(Selection(campaign=question.campaign, service=question.service))
        )

    async def _request(self, request_id: str) -> tuple[int, str]:
        parked = await self.stores.parked.find(request_id)
        found = [message for message in parked if message.request_id == request_id]
        entry = await self.stores.ledger.get(request_id)
        if entry is None and not found:
            buried = await self.stores.ledger.tombstone(request_id)
            return 404, messages.erased(buried.buried_at) if buried else messages.no_such_request()
        return 200, request_page(timeline(request_id, entry, found))
