"""The keyring: sealing, opening, and finding rows after a rotation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.cipher import PROPERTY_BYTES, Cipher, Undecipherable
from tests.samples import FISCAL_CODE, KEYS

OLD, NEW = KEYS
PLAIN = FISCAL_CODE.encode()


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_again(plain: bytes) -> None:
    """Opening returns exactly the bytes that were sealed."""
    cipher = Cipher([OLD])
    assert cipher.open(cipher.seal(plain)) == plain


def test_sealing_twice_gives_different_bytes_without_the_plain_text() -> None:
    """Sealing twice gives different bytes, so equal fiscal codes cannot be recognised."""
    cipher = Cipher([OLD])
    first, second = cipher.seal(PLAIN), cipher.seal(PLAIN)
    assert first != second
    assert PLAIN not in first


def test_rotated_ring_opens_what_the_old_key_sealed() -> None:
    """After a rotation the new first key seals, and bytes that the old one sealed still open."""
    sealed = Cipher([OLD]).seal(PLAIN)
    assert Cipher([NEW, OLD]).open(sealed) == PLAIN
    with pytest.raises(Undecipherable):
        Cipher([OLD]).open(Cipher([NEW, OLD]).seal(PLAIN))


@pytest.mark.parametrize("sealed", [b"", b"garbage", Cipher([OLD]).seal(PLAIN)[:-4]])
def test_what_no_key_opens_is_undecipherable_and_says_what_to_do(sealed: bytes) -> None:
    """Damaged or foreign bytes raise Undecipherable, which names the setting and shows no byte of them."""
    with pytest.raises(Undecipherable, match="ENCRYPTION_KEYS") as raised:
        Cipher([OLD, NEW]).open(sealed)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(("size", "properties"), [(0, 1), (100, 1), (49_000, 1), (49_200, 2), (200_000, 5)])
def test_long_body_takes_as_many_properties_as_it_needs(size: int, properties: int) -> None:
    """Each property fits in a table row, and the properties together open to the whole text."""
    cipher, plain = Cipher([OLD]), b"x" * size
    sealed = cipher.seal_properties("body", plain)
    assert list(sealed) == [f"body{number}" for number in range(properties)]
    assert max(map(len, sealed.values())) <= PROPERTY_BYTES
    assert cipher.open_properties("body", dict(reversed(sealed.items()))) == plain


def test_digest_depends_on_the_key_and_on_the_text() -> None:
    """The digest depends on the key, so it cannot be computed from a list of fiscal codes without the key."""
    digest = Cipher([OLD]).digest(PLAIN)
    assert digest == Cipher([OLD, NEW]).digest(PLAIN)
    assert len(digest) == 64
    assert digest not in (Cipher([NEW]).digest(PLAIN), Cipher([OLD]).digest(PLAIN.lower()))


def test_digest_of_any_key_of_the_ring_matches() -> None:
    """A digest of any key of the ring matches, and a foreign digest does not."""
    digest = Cipher([OLD]).digest(PLAIN)
    assert Cipher([NEW, OLD]).matches(digest, PLAIN)
    assert not Cipher([NEW]).matches(digest, PLAIN)
    assert not Cipher([OLD]).matches(digest, PLAIN + b"x")


def test_key_is_in_no_repr() -> None:
    """The repr of a cipher contains no key."""
    cipher = Cipher(KEYS)
    shown = repr(cipher) + repr(vars(cipher))
    assert not [key for key in KEYS if key.get_secret_value() in shown]


def test_rotated_ring_tells_where_the_old_key_put_things() -> None:
    """A rotated ring gives the digest under the new key first, and then under the old one."""
    assert Cipher([NEW, OLD]).digests(PLAIN) == [Cipher([NEW]).digest(PLAIN), Cipher([OLD]).digest(PLAIN)]
