"""The keyring. Personal data is encrypted at rest, and is found only by a keyed hash."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

# A binary property of a table row holds at most 64 KiB (Azure Table service data model).
PROPERTY_BYTES = 64 * 1024


class Undecipherable(Exception):
    """No key of ENCRYPTION_KEYS decrypts this; put the key that encrypted it back at the end of the list."""


class Cipher:
    """Encrypts with the first key of the ring, decrypts with any (Fernet: AES-128-CBC and HMAC-SHA256)."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        secrets = [key.get_secret_value().encode() for key in keys]
        self._ring = MultiFernet([Fernet(secret) for secret in secrets])
        self._hash_keys = [_derived(secret, b"postino keyed hash") for secret in secrets]
        # Names the key in messages. The key cannot be computed from its name.
        self.first_name = _derived(secrets[0], b"postino key name")[:4].hex()

    def seal(self, plain: bytes) -> bytes:
        """Encrypt. The result is ASCII and a third longer than `plain`, plus about 100 bytes."""
        return self._ring.encrypt(plain)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt what `seal` made. Raises Undecipherable."""
        try:
            return self._ring.decrypt(sealed)
        except InvalidToken:
            raise Undecipherable(Undecipherable.__doc__) from None

    def seal_properties(self, name: str, plain: bytes) -> dict[str, bytes]:
        """Encrypt into as many table properties as needed: name0, name1, ..."""
        sealed = self.seal(plain)
        starts = range(0, len(sealed), PROPERTY_BYTES)
        return {f"{name}{number}": sealed[at : at + PROPERTY_BYTES] for number, at in enumerate(starts)}

    def open_properties(self, name: str, values: Mapping[str, bytes]) -> bytes:
        """Decrypt what `seal_properties` made. Raises Undecipherable."""
        return self.open(b"".join(values[f"{name}{number}"] for number in range(len(values))))

    def digest(self, plain: bytes) -> str:
        """Return the keyed hash by the first key: 64 hex digits that cannot be enumerated without the key."""
        return self.digests(plain)[0]

    def digests(self, plain: bytes) -> list[str]:
        """Return the keyed hash by every key of the ring, the first key's first.

        After a rotation, a row may be under any of these hashes.
        """
        return [hmac.digest(key, plain, hashlib.sha256).hex() for key in self._hash_keys]

    def matches(self, digest: str, plain: bytes) -> bool:
        """Return whether any key of the ring gives this digest, so that a rotation loses nothing."""
        return any(hmac.compare_digest(digest, candidate) for candidate in self.digests(plain))


def _derived(secret: bytes, purpose: bytes) -> bytes:
    # No other purpose may share the key of the encryption.
    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret)
