"""Log lines on stderr: the text, then the record's extra fields as name=value."""

import logging
import sys

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

# Their INFO lines hold whole URLs, which may contain a fiscal code.
_CHATTY = ("azure", "httpx", "httpcore", "aiohttp")


class _WithFields(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        fields = "".join(f" {name}={value}" for name, value in vars(record).items() if name not in _STANDARD)
        return super().formatMessage(record) + fields


def set_up(level: str) -> None:
    """Set one handler on the root logger, for both the host and the app."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_WithFields("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
