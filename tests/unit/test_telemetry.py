"""The log: no fiscal code gets into it from any logger. And the state behind a metric."""

import io
import logging
from collections.abc import Iterator

import pytest
from opentelemetry.metrics import CallbackOptions

import telemetry
from contract.fiscal_code import MASK
from tests.samples import FISCAL_CODE


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    """The app's logging, restored afterwards."""
    factory = logging.getLogRecordFactory()
    levels = {name: logging.getLogger(name).level for name in telemetry.VERBOSE_LIBRARIES}
    telemetry.configure()
    yield
    logging.setLogRecordFactory(factory)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The text that a plain handler on the root logger writes."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize(
    "logger", ["send_message.delivery", "azure.core.pipeline", "httpx", "somebody.elses"]
)
def test_message_is_masked_whoever_writes_it(written: io.StringIO, logger: str) -> None:
    """A fiscal code in the text of any logger is masked, even of third parties."""
    logging.getLogger(logger).warning(f"GET /messages/{FISCAL_CODE}/01ABC")
    assert written.getvalue() == f"WARNING {logger} GET /messages/{MASK}/01ABC\n"


@pytest.mark.parametrize(
    ("message", "arguments", "text"),
    [
        ("for %s", (FISCAL_CODE,), f"for {MASK}"),
        ("for %s twice %r", (FISCAL_CODE, FISCAL_CODE), f"for {MASK} twice '{MASK}'"),
        ("for %(who)s", ({"who": FISCAL_CODE},), f"for {MASK}"),
        ("body %s", ({"fiscal_code": FISCAL_CODE.lower()},), f"body {{'fiscal_code': '{MASK}'}}"),
        ("bytes %s", (FISCAL_CODE.encode(),), f"bytes b'{MASK}'"),
        ("%d of %s", (3, "RSSMRA80A01H501U"), f"3 of {MASK}"),
        ("100%", (), "100%"),
    ],
)
def test_arguments_are_masked(
    written: io.StringIO, message: str, arguments: tuple[object, ...], text: str
) -> None:
    """A fiscal code in the arguments of a log call is masked too, in any container."""
    logging.getLogger("x").warning(message, *arguments)
    assert written.getvalue() == f"WARNING x {text}\n"


class _Unprintable:
    def __str__(self) -> str:
        raise RuntimeError(FISCAL_CODE)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("%s and %s", (FISCAL_CODE,)),
        ("nothing to fill", (FISCAL_CODE,)),
        ("%d", (FISCAL_CODE,)),
        ("%(a)s", ({"b": FISCAL_CODE},)),
        ("%q", (FISCAL_CODE,)),
        ("%s", (_Unprintable(),)),
    ],
)
def test_log_call_with_wrong_arguments_neither_fails_nor_shows_them(
    written: io.StringIO, capsys: pytest.CaptureFixture[str], message: str, arguments: tuple[object, ...]
) -> None:
    """A log call with wrong arguments does not raise, and its arguments are masked."""
    logging.getLogger("x").warning(message, *arguments)
    assert written.getvalue().startswith("WARNING x ")
    assert FISCAL_CODE not in written.getvalue() + capsys.readouterr().err


def test_exception_text_is_masked(written: io.StringIO) -> None:
    """A traceback and its causes keep their places and have fiscal codes masked."""
    try:
        try:
            raise ValueError(f"no such {FISCAL_CODE}")
        except ValueError as cause:
            raise RuntimeError(f"cannot send to {FISCAL_CODE}") from cause
    except RuntimeError:
        logging.getLogger("x").exception("failed")
    text = written.getvalue()
    assert f"ValueError: no such {MASK}" in text
    assert f"RuntimeError: cannot send to {MASK}" in text
    assert "test_telemetry.py" in text
    assert FISCAL_CODE not in text


def test_record_itself_is_clean_for_any_handler(caplog: pytest.LogCaptureFixture) -> None:
    """No part of a log record contains a fiscal code, so any handler is safe."""
    try:
        raise ValueError(FISCAL_CODE)
    except ValueError:
        logging.getLogger("x").exception("for %s", FISCAL_CODE)
    (record,) = caplog.records
    assert FISCAL_CODE not in str(vars(record))
    assert record.getMessage() == f"for {MASK}"


def test_ordinary_line_stays_as_it_is(written: io.StringIO) -> None:
    """Ids, numbers and IO's message ids are not changed."""
    logging.getLogger("x").warning(
        "request_id=%s message_id=%s", "tari-2026:17", "01JWCZ5V6Q4M3N2P1R0T9S8W7X"
    )
    assert written.getvalue() == ("WARNING x request_id=tari-2026:17 message_id=01JWCZ5V6Q4M3N2P1R0T9S8W7X\n")


@pytest.mark.parametrize(
    "name", ["azure.core.pipeline.policies.http_logging_policy", "httpx", "aiohttp.client"]
)
def test_talkative_libraries_only_warn(written: io.StringIO, name: str) -> None:
    """Libraries that log a dozen lines a call are limited to warnings."""
    logging.getLogger(name).info("Request URL: ...")
    logging.getLogger(name).warning("retrying")
    assert written.getvalue() == f"WARNING {name} retrying\n"


def test_own_lines_are_not_left_out(written: io.StringIO) -> None:
    """The app's own INFO lines are logged."""
    logging.getLogger("send_message.send_message").info("outcome request_id=r-1")
    assert "outcome request_id=r-1" in written.getvalue()


def test_stop_that_nobody_confirms_is_let_go() -> None:
    """A suspension that is no longer confirmed is dropped from the metric."""
    seconds = 0.0
    stopped = telemetry.SuspendedCalls(lambda: seconds)
    stopped.set("tributi", "submit_message", "paused")
    (observed,) = stopped.observed(CallbackOptions())
    assert observed.attributes == {"service": "tributi", "operation": "submit_message", "reason": "paused"}
    seconds = telemetry.CONFIRMED_SECONDS
    assert list(stopped.observed(CallbackOptions())) == []
