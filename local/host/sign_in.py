"""The platform's sign-in (App Service Authentication), as far as an app and a browser see it.

With LOCAL_HOST_ROLES, /.auth/login/aad signs anybody in, with these roles. No password is asked for: the host
listens on loopback.
"""

import base64
import json
from collections.abc import MutableMapping

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

_COOKIE = "AppServiceAuthSession"
_FROM_OUTSIDE = "x-ms-client-principal"


class SignIn:
    """The sign-in of one host. `roles`: those of whoever signs in; None: the sign-in is off."""

    def __init__(self, roles: list[str] | None) -> None:
        self._roles = roles

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> "SignIn":
        """Read LOCAL_HOST_ROLES (comma-separated), and tell the app, as the platform does, that it is on."""
        roles = environ.get("LOCAL_HOST_ROLES")
        if roles is None:
            return cls(None)
        environ["WEBSITE_AUTH_ENABLED"] = "True"
        return cls([role.strip() for role in roles.split(",") if role.strip()])

    def routes(self) -> list[web.RouteDef]:
        """Return the routes by which a browser signs in and out."""
        if self._roles is None:
            return []
        return [web.get("/.auth/login/aad", self._enter), web.get("/.auth/logout", self._leave)]

    def headers(self, request: web.Request) -> CIMultiDictProxy[str]:
        """Return the headers that the app gets: only the sign-in says who calls."""
        if self._roles is None:
            return request.headers
        headers = CIMultiDict(request.headers)
        for name in {name for name in headers if name.lower().startswith(_FROM_OUTSIDE)}:
            headers.popall(name)
        if _COOKIE in request.cookies:
            headers.add("X-MS-CLIENT-PRINCIPAL", _principal(self._roles))
        return CIMultiDictProxy(headers)

    async def _enter(self, request: web.Request) -> web.Response:
        path = request.query.get("post_login_redirect_uri", "/")
        response = web.HTTPFound(path if path.startswith("/") and not path.startswith("//") else "/")
        response.set_cookie(_COOKIE, "local", httponly=True, samesite="Lax")
        return response

    async def _leave(self, _request: web.Request) -> web.Response:
        response = web.HTTPFound("/")
        response.del_cookie(_COOKIE)
        return response


def _principal(roles: list[str]) -> str:
    claims = [{"typ": "name", "val": "Local"}, *({"typ": "roles", "val": role} for role in roles)]
    document = {"auth_typ": "aad", "claims": claims, "name_typ": "name", "role_typ": "roles"}
    return base64.b64encode(json.dumps(document).encode()).decode()
