"""Addresses of a storage account's services, as the app settings give them for an identity."""

import re
from ipaddress import ip_address
from typing import Literal

from pydantic import HttpUrl

type Service = Literal["queue", "table", "blob"]

# In every cloud the suffix begins with core, except for accounts in DNS zones. A private link leads
# to the same account.
_OF_AZURE = re.compile(
    r"(?P<name>[a-z0-9-]+)(?P<zone>\.z\d+)?(\.privatelink)?\.(?P<service>queue|table|blob)"
    r"\.(?P<suffix>core\..+|storage\.azure\.net)"
)


def address(account: str, service: Service) -> str:
    """Return the address of an account's service in the public cloud."""
    return f"https://{account}.{service}.core.windows.net"


def check(url: HttpUrl, service: Service) -> None:
    """Raise ValueError unless the URL can be the address of this service and holds nothing else."""
    if url.query or url.fragment or url.username or url.password:
        raise ValueError("must hold no SAS token, query or password: the app's identity takes their place")
    if url.scheme == "http" and not _is_loopback(url.host or ""):
        raise ValueError("must begin with https://")
    if len(_path(url)) > _is_path_style(url):
        raise ValueError("must be the address of the service, without a queue, table or container")
    found = _OF_AZURE.fullmatch(url.host or "")
    if found and found["service"] != service:
        raise ValueError(f"is the address of a {found['service']} service")


def account(url: HttpUrl) -> str | None:
    """Return what all addresses of an account have in common; None if a custom domain hides the account."""
    if _is_path_style(url):
        return "/".join(_path(url)) or None
    found = _OF_AZURE.fullmatch(url.host or "")
    return f"{found['name']}{found['zone'] or ''}.{found['suffix']}" if found else None


def _path(url: HttpUrl) -> list[str]:
    return [part for part in (url.path or "").split("/") if part]


def _is_path_style(url: HttpUrl) -> bool:
    """Return whether the path holds the account, as with an emulator at an IP address or its own port."""
    return url.port not in (80, 443) or _is_ip(url.host or "") or url.host == "localhost"


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_ip(host) and ip_address(host.strip("[]")).is_loopback)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
