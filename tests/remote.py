"""Remote contents of made-up citizens, and a process that serves them."""

from dataclasses import replace
from datetime import UTC, datetime

from pydantic import SecretStr

from contract.remote_content import Attachment, Precondition, RemoteContent
from remote_content.access import Access, Call
from remote_content.denials import Denials
from storage.cipher import Cipher
from storage.index_key import IndexKey
from storage.key_checks import KeyChecks
from storage.readiness import Readiness
from storage.remote_contents import KeptContent, RemoteContents
from tests.fake_app import FakeApp
from tests.samples import FISCAL_CODE, MARKDOWN, SUBJECT

KEY, SECOND_KEY = "k" * 40, "s" * 40
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 20
SOMEBODY_ELSE = "BNCLRA85T41F205K"
CONTENT = RemoteContent(
    subject=SUBJECT,
    markdown=MARKDOWN,
    precondition=Precondition(title="Prima di aprire", markdown="Il documento contiene dati sanitari."),
    attachments=(
        Attachment(name="Avviso.pdf", blob="tari/1.pdf"),
        Attachment(name="Mappa.pdf", blob="m.pdf"),
    ),
)


def remote_content_id(number: int = 0) -> str:
    """An id of the right shape."""
    return f"{number:043}"


def kept_content(cipher: Cipher, number: int = 0, fiscal_code: str = FISCAL_CODE) -> KeptContent:
    """What `RemoteContents.keep` needs for the remote content of this number."""
    recipient = cipher.digest(fiscal_code.encode())
    return KeptContent(
        remote_content_id(number), f"r-{number}", recipient, datetime(2026, 11, 24, tzinfo=UTC)
    )


class RemoteContentApp(FakeApp):
    """A FakeApp that serves remote contents with two keys. `seconds` is the clock of the denials."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.keys_table = self.tables["keys"]
        self.remote_contents_table = self.tables["remotecontents"]
        self.access = self.access_of(self.cipher)

    def access_of(self, cipher: Cipher) -> Access:
        """The access of a process with this keyring."""
        tables = {"remotecontents": self.remote_contents_table}
        readiness = Readiness(
            tables,
            KeyChecks(self.keys_table, cipher),
            IndexKey(self.keys_table, cipher, []),
            monotonic=lambda: self.seconds,
        )
        contents = RemoteContents(self.remote_contents_table, cipher)
        denials = Denials(cipher.pseudonym, monotonic=lambda: self.seconds)
        return Access(contents, readiness, [SecretStr(KEY), SecretStr(SECOND_KEY)], denials)

    async def keep(self, content: RemoteContent = CONTENT, number: int = 0, of: str = FISCAL_CODE) -> None:
        """Keep a remote content, and put its documents."""
        await self.stores.remote_contents.keep(kept_content(self.cipher, number, of), content)
        for attachment in content.attachments:
            self.documents.blobs[attachment.blob] = PDF + attachment.blob.encode()


def a_call(number: int = 0, fiscal_code: str = FISCAL_CODE, key: str = KEY, **changes: str) -> Call:
    """A call of IO for its recipient."""
    return replace(Call(remote_content_id(number), fiscal_code, key, "192.0.2.1"), **changes)
