"""The keyring. Personal data is encrypted at rest, and is found only by a keyed hash."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from contextlib import suppress

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

# A binary property of a table row holds at most 64 KiB (Azure Table service data model).
PROPERTY_BYTES = 64 * 1024


class Undecipherable(Exception):
    """No key of ENCRYPTION_KEYS decrypts this; put the key that encrypted it back at the end of the list."""


class NoIndexKey(Exception):
    """The index key has not been read yet, so nothing can be found by its keyed hash."""


class Cipher:
    """Encrypts with the first key of the ring, decrypts with any (Fernet: AES-128-CBC and HMAC-SHA256).

    Keyed hashes are not made with the ring, but with the index key (`storage/index_key.py`), which a rotation
    of the ring leaves as it is. `former_hash_keys`: the keys of the hashes that were made before there was
    one, the first of the ring first.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        secrets = [key.get_secret_value().encode() for key in keys]
        # Names the keys in messages. A key cannot be computed from its name.
        self._by_name = {
            _derived(secret, b"postino key name")[:4].hex(): Fernet(secret) for secret in secrets
        }
        self._ring = MultiFernet(self._by_name.values())
        self._pseudonym_key = _derived(secrets[0], b"postino pseudonym")
        self._hash_keys: tuple[bytes, ...] = ()
        self.former_hash_keys = tuple(_derived(secret, b"postino keyed hash") for secret in secrets)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the keys, in the order of the ring."""
        return tuple(self._by_name)

    @property
    def first_name(self) -> str:
        """The name of the key that encrypts."""
        return self.names[0]

    @property
    def has_index_key(self) -> bool:
        """Whether keyed hashes can be made."""
        return bool(self._hash_keys)

    def index_by(self, keys: Sequence[bytes]) -> None:
        """Make keyed hashes with these keys from now on; the first makes new ones, all find old ones."""
        self._hash_keys = tuple(keys)

    def seal(self, plain: bytes) -> bytes:
        """Encrypt. The result is ASCII and a third longer than `plain`, plus about 100 bytes."""
        return self._ring.encrypt(plain)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt what `seal` made. Raises Undecipherable."""
        try:
            return self._ring.decrypt(sealed)
        except InvalidToken:
            raise Undecipherable(Undecipherable.__doc__) from None

    def name_of(self, sealed: bytes) -> str:
        """Return the name of the key that decrypts this. Raises Undecipherable."""
        for name, key in self._by_name.items():
            with suppress(InvalidToken):
                key.decrypt(sealed)
                return name
        raise Undecipherable(Undecipherable.__doc__)

    def reseal(self, sealed: bytes) -> bytes:
        """Encrypt again with the first key. The result is as long. Raises Undecipherable."""
        try:
            return self._ring.rotate(sealed)
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
        """Return the keyed hash of new rows: 64 hex digits that cannot be enumerated without the index key.

        Raises NoIndexKey.
        """
        return self.digests(plain)[0]

    def digests(self, plain: bytes) -> list[str]:
        """Return every keyed hash under which a row may be, that of new rows first. Raises NoIndexKey."""
        if not self._hash_keys:
            raise NoIndexKey(NoIndexKey.__doc__)
        return [hmac.digest(key, plain, hashlib.sha256).hex() for key in self._hash_keys]

    def matches(self, digest: str, plain: bytes) -> bool:
        """Return whether this is a keyed hash of `plain`, new or old. Raises NoIndexKey."""
        return any(hmac.compare_digest(digest, candidate) for candidate in self.digests(plain))

    def pseudonym(self, plain: bytes) -> str:
        """Return a keyed hash for a log or a file, needing no index key: others after a rotation."""
        return hmac.digest(self._pseudonym_key, plain, hashlib.sha256).hex()


def _derived(secret: bytes, purpose: bytes) -> bytes:
    # No other purpose may share the key of the encryption.
    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret)
