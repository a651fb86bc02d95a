"""The document of the demo: a PDF of one page, and the configuration by which IO reaches it."""

import secrets
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from pydantic import SecretStr

from io_api.client import IoClient
from io_api.configurations import Authentication, Configurations, Environment, NewConfiguration

HEADER = "X-Api-Key"
ROUTES = "/api"


@dataclass(frozen=True)
class Document:
    """A document, by the name of its blob and the name that the citizen sees."""

    blob: str
    name: str
    content: bytes = field(repr=False)


def a_pdf(text: str) -> bytes:
    """Return a PDF of one page with a line of text, which is ASCII without brackets."""
    page = f"BT /F1 16 Tf 72 760 Td ({text}) Tj ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(page)} >>\nstream\n{page}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    pdf, entries = "%PDF-1.4\n", ["0000000000 65535 f \n"]
    for number, one in enumerate(objects, start=1):
        entries.append(f"{len(pdf):010} 00000 n \n")
        pdf += f"{number} 0 obj\n{one}\nendobj\n"
    size = len(entries)
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(pdf)}\n%%EOF\n"
    return f"{pdf}xref\n0 {size}\n{''.join(entries)}{trailer}".encode("ascii")


@dataclass(frozen=True)
class RemoteContentAtIo:
    """The keys between IO and the institution: by which the institution configures, and IO fetches."""

    manage_key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    own_key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def settings(self) -> Mapping[str, str]:
        """The app settings of both keys."""
        return {"IO_MANAGE_API_KEY": self.manage_key, "REMOTE_CONTENT_API_KEY": self.own_key}

    async def configure(self, io: str, host: str) -> str:
        """Make the configuration at IO, as `postino remote-content create` does, and return its id.

        `io` is the base URL of IO's API, `host` the address of the functions host.
        """
        key = Authentication(header_key_name=HEADER, key=SecretStr(self.own_key))
        new = NewConfiguration(
            name="Demo",
            description="Documents of the demo",
            has_precondition="NEVER",
            prod_environment=Environment(base_url=f"{host}{ROUTES}", details_authentication=key),
        )
        async with aclosing(IoClient(io)) as client:
            created = await Configurations(client, SecretStr(self.manage_key)).create(new)
        return created.configuration_id
