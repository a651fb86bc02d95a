"""POST /messages: the checks in the order of IO's code (io-messages, services-func, CreateMessage).

Two answers of IO cannot occur: "Anonymous user", because the gateway always names the user, and "Production
call forbidden", because an earlier check refuses an account without a write group.
"""

from local.io_simulator.answers import (
    ATTACHMENTS_FORBIDDEN,
    CONFIGURATION_NOT_FOUND,
    FISCAL_CODE_MISSING,
    FISCAL_CODE_TWICE,
    NO_CONFIGURATION,
    NOT_YOUR_CONFIGURATION,
    Answer,
    RefusedError,
    amount_exceeds,
    not_allowed_here,
    success,
)
from local.io_simulator.backend import Call
from local.io_simulator.new_message import NewMessage, ThirdPartyData, parse
from local.io_simulator.services import Group
from local.io_simulator.simulator import Simulator


def submit_message(simulator: Simulator, call: Call) -> Answer:
    """Accept a message and return a 201 with its id. Raises RefusedError otherwise."""
    document = parse(call.body)  # IO parses before all checks: malformed JSON wins over 403
    call.require_group("ApiMessageWrite", "ApiLimitedMessageWrite")
    new = NewMessage.decode(document)
    in_path = call.fiscal_code_in_path() if call.path else None
    _require_scopes(call, new)
    call.require_source()
    fiscal_code = _one_fiscal_code(in_path, new.fiscal_code)
    _require_remote_content(simulator, call, new)
    call.require_recipient(fiscal_code)
    _require_amount(call, new)
    message = simulator.messages.accept(call, fiscal_code, new)
    return success(201, {"id": message.id}, {"Location": f"/api/v1/messages/{fiscal_code}/{message.id}"})


def _require_scopes(call: Call, new: NewMessage) -> None:
    content = new.content
    with_payee = content.payment_data is not None and content.payment_data.payee is not None
    advanced = new.feature_level_type == "ADVANCED"
    third_party = content.third_party_data is not None and not advanced
    scopes: tuple[tuple[bool, Group, str], ...] = (
        (content.eu_covid_cert is not None, "ApiMessageWriteEUCovidCert", "an EUCovidCert message"),
        (with_payee, "ApiMessageWriteWithPayee", "a payment message with payee"),
        (advanced, "ApiMessageWriteAdvanced", "a Premium message"),
        (third_party, "ApiThirdPartyMessageWrite", "a third party message"),
    )
    for needed, group, what in scopes:
        if needed and group not in call.service.groups:
            raise RefusedError(not_allowed_here(f"You do not have enough permissions to send {what}"))


def _one_fiscal_code(in_path: str | None, in_body: str | None) -> str:
    if in_path is not None and in_body is not None:
        raise RefusedError(FISCAL_CODE_TWICE)
    fiscal_code = in_path or in_body
    if fiscal_code is None:
        raise RefusedError(FISCAL_CODE_MISSING)
    return fiscal_code


def _require_remote_content(simulator: Simulator, call: Call, new: NewMessage) -> None:
    third_party = new.content.third_party_data
    if third_party is None:
        return
    _require_configuration(simulator, call, third_party)
    if third_party.has_attachments and new.feature_level_type != "ADVANCED":
        raise RefusedError(ATTACHMENTS_FORBIDDEN)


def _require_configuration(simulator: Simulator, call: Call, third_party: ThirdPartyData) -> None:
    if third_party.configuration_id is None:
        raise RefusedError(NO_CONFIGURATION)
    owners = simulator.services.accounts_with_configuration(third_party.configuration_id)
    configured = simulator.remote_configurations.find(third_party.configuration_id)
    owners |= {configured.account} if configured else set()
    if not owners:
        raise RefusedError(CONFIGURATION_NOT_FOUND)
    if call.service.account not in owners:
        raise RefusedError(NOT_YOUR_CONFIGURATION)


def _require_amount(call: Call, new: NewMessage) -> None:
    allowed = call.service.max_allowed_payment_amount
    payment = new.content.payment_data
    if payment is not None and payment.amount > allowed:
        raise RefusedError(amount_exceeds(payment.amount, allowed))
