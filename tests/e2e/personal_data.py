"""Finds a fiscal code in bytes, however it is written there."""

import base64
from collections.abc import Iterable
from pathlib import Path


def forms(code: str) -> frozenset[bytes]:
    """What the code looks like: as it is, in lower case, in UTF-16, and in the base64 of a longer text."""
    texts = (code, code.lower())
    wide = {text.encode(encoding) for text in texts for encoding in ("utf-16-le", "utf-16-be")}
    encoded = {_in_base64(text.encode(), before) for text in texts for before in range(3)}
    return frozenset({text.encode() for text in texts} | wide | encoded)


def _in_base64(code: bytes, before: int) -> bytes:
    """The characters that only the code decides, when `before` bytes of a group of three precede it."""
    encoded = base64.b64encode(bytes(before) + code + bytes(2))
    first, last = -(-before * 8 // 6), (before + len(code)) * 8 // 6
    return encoded[first:last]


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
