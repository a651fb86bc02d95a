"""Message ids: ULIDs, as at IO (48 bits of milliseconds, 80 random bits, Crockford's base 32)."""

import secrets
from datetime import datetime

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

PATTERN = "^[0-9a-hjkmnp-tv-zA-HJKMNP-TV-Z]{26}$"


def new_ulid(instant: datetime) -> str:
    """Return 26 characters that sort by instant, to the millisecond."""
    number = int(instant.timestamp() * 1000) << 80 | secrets.randbits(80)
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
