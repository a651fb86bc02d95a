"""Finds a fiscal code in bytes, in any of its encodings."""

import base64
from collections.abc import Iterable
from pathlib import Path


def forms(code: str) -> frozenset[bytes]:
    """The encodings of a code: as it is, in lower case, in UTF-16, in base64, and in base64 of base64.

    The emulator's files keep a table's bytes in base64, so base64 text is in base64 twice.
    """
    plain = {text.encode() for text in (code, code.lower())}
    wide = {text.decode().encode(encoding) for text in plain for encoding in ("utf-16-le", "utf-16-be")}
    encoded = _in_base64(plain)
    return frozenset(plain | wide | encoded | _in_base64(encoded))


def _in_base64(texts: Iterable[bytes]) -> set[bytes]:
    """Each text in each of the three forms in which base64 of a longer text can contain it.

    The form depends on how many bytes of a group of three precede the text. Characters that depend on its
    neighbours are cut.
    """
    return {
        base64.b64encode(bytes(before) + text + bytes(2))[-(-before * 8 // 6) : (before + len(text)) * 8 // 6]
        for text in texts
        for before in range(3)
    }


def sightings(codes: Iterable[str], texts: Iterable[bytes]) -> dict[str, int]:
    """The number of sightings of each code in the texts, without the codes that are not found."""
    found = dict.fromkeys(codes, 0)
    for text in texts:
        for code in found:
            found[code] += sum(text.count(form) for form in forms(code))
    return {code: count for code, count in found.items() if count}


def contents(folder: Path) -> dict[Path, bytes]:
    """The content of every file below a folder, by its relative path."""
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
