"""POST /profiles and GET /profiles/{fiscal_code} (io-functions-services, GetLimitedProfile)."""

from pydantic import ValidationError

from local.io_simulator.answers import PROFILE_NOT_FOUND, Answer, RefusedError, problem, success
from local.io_simulator.backend import Call
from local.io_simulator.fiscal_code import FiscalCode
from local.io_simulator.new_message import Payload, parse, report
from local.io_simulator.simulator import Simulator


class FiscalCodePayload(Payload):
    fiscal_code: FiscalCode


def get_profile(simulator: Simulator, call: Call) -> Answer:
    """Return a 200 with the citizen's permission for the calling service. Raises RefusedError otherwise."""
    in_body = None if call.path else parse(call.body)
    call.require_group("ApiLimitedProfileRead")
    fiscal_code = call.fiscal_code_in_path() if call.path else _decode(in_body)
    call.require_source()
    call.require_recipient(fiscal_code)
    citizen = simulator.citizens.get(fiscal_code)
    if not citizen.has_profile:
        raise RefusedError(PROFILE_NOT_FOUND)
    allowed = simulator.citizens.allows(fiscal_code, call.service_id, simulator.clock.now())
    languages = citizen.preferred_languages
    return success(
        200,
        {"sender_allowed": allowed} | ({} if languages is None else {"preferred_languages": languages}),
    )


def _decode(document: object) -> str:
    try:
        return FiscalCodePayload.model_validate(document).fiscal_code
    except ValidationError as invalid:
        raise RefusedError(problem(400, "Invalid FiscalCodePayload", report(invalid))) from None
