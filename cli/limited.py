"""Tells before the first message whether a service is limited: it may write only to its test recipients."""

from contextlib import aclosing
from typing import Final

from cli.connection import Operator, ask
from cli.printing import ATTENTION, fail, print_note
from io_api.account import GET_PROFILE
from io_api.client import IoClient
from io_api.errors import IoError
from io_api.rate_budget import Priority
from report.meanings import ADVICE, REASONS, named

_LIMITED: Final = "recipient_forbidden"


def refuse_if_limited(service: str, fiscal_code: str, nothing: str) -> None:
    """End the command if IO says that this service may not write to this citizen of the campaign.

    Any other answer is the app's to handle, which may have another address or be asked later: a note at most.
    """
    reason = ask(lambda stores: _refusal(stores, service, fiscal_code))
    if reason == _LIMITED:
        fail(
            ATTENTION,
            f"Il servizio «{service}» è limitato: IO lo lascia scrivere solo ai suoi destinatari di prova, e "
            "rifiuterebbe (HTTP 403) il primo cittadino di questo file.",
            f"Che cosa fare: {ADVICE[_LIMITED]}",
            nothing,
        )
    if reason:
        why = named(REASONS, reason)
        print_note(f"Da qui non si è potuto controllare se il servizio è limitato: {why}. Lo dirà l'app.")


async def _refusal(stores: Operator, service: str, fiscal_code: str) -> str | None:
    """Return why IO answers nothing about the citizen; None if it answers. One call, which sends nothing.

    The call opens no circuit: this machine's address may be one that IO does not accept.
    """
    keys = stores.keys[service]
    if suspended := await stores.suspensions.error_if_suspended(keys, GET_PROFILE):
        return suspended.reason
    client = IoClient(str(stores.configured.io_api_base_url), observe=stores.rate_limiter.observe)
    async with aclosing(client):
        try:
            permit = await stores.rate_limiter.reserve(Priority.CHECK)
            await permit.wait_until_due()
            await client.get_profile(fiscal_code, key=keys[0].secret)
        except IoError as error:
            return error.reason
    return None
