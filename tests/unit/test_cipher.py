"""The keyring: sealing, opening, and finding rows after a rotation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.cipher import PROPERTY_BYTES, Cipher, NoIndexKey, Undecipherable
from tests.samples import FISCAL_CODE, FORMER_KEY, INDEX_KEY, KEYS, a_cipher

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


def test_digest_depends_on_the_index_key_and_on_the_text() -> None:
    """Without the index key, no digest can be computed from a list of fiscal codes."""
    digest = a_cipher([OLD]).digest(PLAIN)
    assert len(digest) == 64
    assert digest not in (a_cipher([OLD], [FORMER_KEY]).digest(PLAIN), a_cipher([OLD]).digest(PLAIN.lower()))


def test_digest_does_not_depend_on_the_ring() -> None:
    """A rotation changes no digest: before it, during it and after it."""
    assert len({a_cipher(keys).digest(PLAIN) for keys in ([OLD], [NEW, OLD], [OLD, NEW], [NEW])}) == 1


def test_digest_of_before_the_index_key_matches() -> None:
    """A digest under a former key matches, and is found second; a foreign digest does not match."""
    upgraded = a_cipher([OLD], (INDEX_KEY, FORMER_KEY))
    former = a_cipher([OLD], [FORMER_KEY]).digest(PLAIN)
    assert upgraded.matches(former, PLAIN)
    assert upgraded.digests(PLAIN) == [a_cipher([OLD]).digest(PLAIN), former]
    assert not a_cipher([OLD]).matches(former, PLAIN)
    assert not upgraded.matches(former, PLAIN + b"x")


def test_no_digest_before_the_index_key_was_read() -> None:
    """Without the index key there is no digest, rather than one that nobody else finds."""
    cipher = Cipher(KEYS)
    for make in (cipher.digest, cipher.digests, lambda plain: cipher.matches("", plain)):
        with pytest.raises(NoIndexKey):
            make(PLAIN)


def test_each_text_names_its_key() -> None:
    """The ring tells which of its keys encrypted a text; encrypted again, it is the first one's, as long."""
    ring, sealed = Cipher([NEW, OLD]), Cipher([OLD]).seal(PLAIN)
    assert ring.name_of(sealed) == Cipher([OLD]).first_name == ring.names[1]
    again = ring.reseal(sealed)
    assert (ring.name_of(again), len(again)) == (ring.first_name, len(sealed))
    assert Cipher([NEW]).open(again) == PLAIN
    for fails in (Cipher([NEW]).name_of, Cipher([NEW]).reseal):
        with pytest.raises(Undecipherable):
            fails(sealed)


def test_key_is_in_no_repr() -> None:
    """The repr of a cipher contains no key."""
    cipher = Cipher(KEYS)
    shown = repr(cipher) + repr(vars(cipher))
    assert not [key for key in KEYS if key.get_secret_value() in shown]
