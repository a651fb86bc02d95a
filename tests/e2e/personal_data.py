"""Finds a fiscal code in bytes, however it is written there."""

import base64
from collections.abc import Iterable
from pathlib import Path


def forms(code: str) -> frozenset[bytes]:
    """What the code looks like: as it is, in lower case, in UTF-16, in base64 of a longer text, and in base64
    of that, as the emulator's files keep the bytes of a table's property.
    """
    plain = {text.encode() for text in (code, code.lower())}
    wide = {text.decode().encode(encoding) for text in plain for encoding in ("utf-16-le", "utf-16-be")}
    encoded = _in_base64(plain)
    return frozenset(plain | wide | encoded | _in_base64(encoded))


def _in_base64(texts: Iterable[bytes]) -> set[bytes]:
    """Each text in each of the three ways in which base64 of a longer one can show it.

    It depends on how many bytes of a group of three precede; characters that neighbours decide too are cut.
    """
    return {
        base64.b64encode(bytes(before) + text + bytes(2))[-(-before * 8 // 6) : (before + len(text)) * 8 // 6]
        for text in texts
        for before in range(3)
    }


def sightings(codes: Iterable[str], texts: Iterable[bytes]) -> dict[str, int]:
    """How often each code is seen in the texts; those that are not seen are left out."""
    found = dict.fromkeys(codes, 0)
    for text in texts:
        for code in found:
            found[code] += sum(text.count(form) for form in forms(code))
    return {code: count for code, count in found.items() if count}


def contents(folder: Path) -> dict[Path, bytes]:
    """What is in every file below a folder, by its path there."""
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
