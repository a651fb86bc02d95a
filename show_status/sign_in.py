"""Who may see the page: people to whom the platform's sign-in gives the role.

App Service Authentication passes the person's claims in a header, and removes that header from all other
calls (Learn, "Work with user identities in Azure App Service authentication"). While it is off, anybody can
forge the header.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

HEADER: Final = "x-ms-client-principal"
# Other providers can be switched on beside Microsoft Entra ID, and may let people choose their claims.
ENTRA: Final = "aad"
ROLES: Final = "roles"

UNPROTECTED, NOT_SIGNED_IN, WITHOUT_ROLE = 503, 401, 403


def refusal(principals: Sequence[str], role: str, *, signs_in: bool) -> int | None:
    """Return the HTTP status that refuses a call; None if the call may see the page.

    `principals`: the values of HEADER, of which the platform sets one. `signs_in`: whether the platform signs
    people in.
    """
    if not signs_in:
        return UNPROTECTED
    principal = _decoded(principals[0]) if len(principals) == 1 else {}
    if principal.get("auth_typ") != ENTRA:
        return NOT_SIGNED_IN
    return None if role in _roles(principal) else WITHOUT_ROLE


def _decoded(text: str) -> dict[str, Any]:
    try:
        principal = json.loads(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError):
        return {}
    return principal if isinstance(principal, dict) else {}


def _roles(principal: dict[str, Any]) -> Iterator[object]:
    """Yield the roles. The platform may give the claim a longer name, and then says which."""
    claims = principal.get("claims")
    for claim in claims if isinstance(claims, list) else []:
        if isinstance(claim, dict) and claim.get("typ") in (ROLES, principal.get("role_typ")):
            yield claim.get("val")
