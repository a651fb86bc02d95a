"""Log records, masked when they are created."""

import logging
from typing import Any

from contract.fiscal_code import mask_fiscal_codes

# Libraries that log each request at INFO. Azure's libraries log a dozen lines per call.
VERBOSE_LIBRARIES = ("azure", "httpx", "aiohttp", "azure_functions_runtime")


def configure() -> None:
    """Mask fiscal codes in every log record of the process, whatever its source and destination."""
    for name in VERBOSE_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.setLogRecordFactory(_masked_record)


def _masked_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = logging.LogRecord(*args, **kwargs)
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - a log line that cannot be made must not stop the work it describes
        message = f"{record.msg} {record.args}"
    record.msg, record.args = mask_fiscal_codes(message), None
    if record.exc_info:
        text = logging.Formatter().formatException(record.exc_info)
        record.exc_text, record.exc_info = mask_fiscal_codes(text), None
    return record
