"""The request: every rule of IO is checked before sending, and no error quotes the body."""

import base64
import copy
import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.fiscal_code import FISCAL_CODE_PATTERN, contains_fiscal_code
from contract.request import MessageRequest, parse_request
from contract.schemas import schemas
from contract.violations import InvalidRequest

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIMPLEST, FULL, REMINDED = schemas()["message-request.schema.json"]["examples"]
EMOJI = "🙂"  # outside the Basic Multilingual Plane: two UTF-16 code units

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def paths(document: dict[str, Any], prefix: str = "") -> list[str]:
    """Every field of the document, nested fields after their parents."""
    found = []
    for name, value in document.items():
        found.append(prefix + name)
        if isinstance(value, dict):
            found += paths(value, f"{prefix}{name}.")
    return found


PATHS = st.sampled_from(paths(FULL))


def changed(path: str, value: Any, example: dict[str, Any] = FULL) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(example)
    *parents, name = path.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    place[name] = value
    return document


def without(path: str) -> dict[str, Any]:
    document = changed(path, None)
    *parents, name = path.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    del place[name]
    return document


def read(document: Any) -> MessageRequest:
    return parse_request(json.dumps(document))


def violations(document: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as raised:
        read(document)
    return {violation.field: violation.rule for violation in raised.value.violations}


def test_simplest_request_gets_the_defaults() -> None:
    """A request with only the required fields is a STANDARD message of the default service."""
    request = read(SIMPLEST)
    assert (request.service, request.feature_level_type, request.translations) == ("default", "STANDARD", {})
    assert request.content.payment_data is None


def test_base64_is_the_same_request() -> None:
    """A body in base64 gives the same request."""
    body = json.dumps(FULL).encode()
    assert parse_request(base64.b64encode(body)) == parse_request(body)


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("request_id", "", "must be 1 to 128 characters"),
        ("request_id", "a/b", "must be 1 to 128 characters"),
        ("request_id", "r-1\n", "must be 1 to 128 characters"),
        ("request_id", 7, "must be a string, is a number"),
        ("request_id", "TARI2026RSSMRA80A01H501U", "must not contain a fiscal code"),
        ("campaign", "tari rssmra80a01h501u", "must not contain a fiscal code"),
        ("campaign", "tari\n2026", "must be 1 to 128 characters"),
        ("service", "AAAAAA00A00A000A", "must not contain a fiscal code"),
        ("service", None, "must be a string, is null"),
        ("fiscal_code", "rssmra80a01h501u", "must be a person's fiscal code"),
        ("fiscal_code", "RSSMRA80A01H501U\n", "must be a person's fiscal code"),
        ("feature_level_type", "PREMIUM", "must be 'STANDARD' or 'ADVANCED'"),
        ("content", "text", "must be an object, is a string"),
        ("content.subject", "Sette c", "must have 10 to 120 UTF-16 code units, has 7"),
        ("content.markdown", "corto", "must have 80 to 10000 UTF-16 code units, has 5"),
        ("content.markdown", "---\n" + "a" * 80, "starts with a line '---'"),
        ("content.require_secure_channels", 1, "must be true or false, is a number"),
        ("content.payment_data.amount", True, "must be a whole number, is true or false"),
        ("content.payment_data.amount", 120.5, "must be a whole number, is a number"),
        ("content.payment_data.amount", 120.0, "must be a whole number, is a number"),
        ("content.payment_data.amount", "12050", "must be a whole number, is a string"),
        ("content.payment_data.amount", 0, "must be at least 1"),
        ("content.payment_data.amount", 10_000_000_000, "must be at most 9999999999"),
        ("content.payment_data.amount", 10**4000, "must be at most 9999999999"),
        ("content.payment_data.notice_number", "401000000000000123", "must be a pagoPA notice number"),
        ("content.payment_data.notice_number", "30100000000000012", "must be a pagoPA notice number"),
        ("content.payment_data.notice_number", "30100000000000012٣", "must be a pagoPA notice number"),
        (
            "content.payment_data.payee.fiscal_code",
            "RSSMRA80A01H501U",
            "must be an organization's fiscal code",
        ),
        ("content.due_date", "2026-06-30T23:59:59", "needs a time zone"),
        ("content.due_date", "2026-06-30", "must be an ISO 8601 instant"),
        ("content.due_date", "2026-06-31T23:59:59Z", "must be a date and time that exist"),
        ("content.due_date", "9999-12-31T23:59:59-01:00", "must be from 2000 to 2099"),
        ("content.due_date", "9999-12-31T23:59:59Z", "must be from 2000 to 2099"),
        ("content.due_date", "0001-01-01T00:00:00+01:00", "must be from 2000 to 2099"),
        ("not_before", "1999-12-31T23:59:59Z", "must be from 2000 to 2099"),
        ("expires_at", "2100-01-01T00:00:00Z", "must be from 2000 to 2099"),
        ("content.subject", "Avviso per RSSMRA80A01H501U", "must not contain a fiscal code"),
        ("translations.en_GB.subject", "For rssmra80a01h501u only", "must not contain a fiscal code"),
        ("content.due_date", 1782863999, "must be a string with an ISO 8601 instant, is a number"),
        ("translations", None, "must be an object, is null"),
        ("translations.it_IT", {}, "is the language of content"),
        ("translations.pt_PT", {}, "must be 'en_GB', 'es_ES', 'de_DE' or 'fr_FR'"),
        ("translations.en_GB.subject", "short", "must have 10 to 120 UTF-16 code units, has 5"),
        ("expires_at", "2026-05-04T09:00:00+02:00", "must be after not_before"),
        ("traceparent", "00-0123-4567-01", "must be a W3C traceparent"),
        ("third_party_data", {}, "is not a known field"),
        ("reminders", [], "must be an object, is an array"),
        ("in_reply_to", "TARI:2026:000123", "must be the request_id of another request"),
        ("in_reply_to", "x-RSSMRA80A01H501U", "must not contain a fiscal code"),
        ("content.third_party_data", {}, "is not a known field"),
    ],
)
def test_violation_names_the_field_and_the_rule(path: str, value: Any, rule: str) -> None:
    """One wrong value is refused at its field, with a rule that says what the field must be."""
    assert violations(changed(path, value))[path].startswith(rule)


@pytest.mark.parametrize(
    "path", ["content.subject", "content.payment_data.amount", "translations.en_GB.markdown"]
)
def test_missing_field_is_named(path: str) -> None:
    """An absent required field is the only violation."""
    assert violations(without(path)) == {path: "is required"}


def test_payment_that_ends_needs_a_due_date() -> None:
    """invalid_after_due_date requires a due date, neither absent nor null."""
    endless = without("content.due_date")
    endless["content"]["payment_data"]["invalid_after_due_date"] = True
    nulled = changed("due_date", None, endless["content"])
    rule = "is required when content.payment_data.invalid_after_due_date is true"
    assert violations(endless) == {"content.due_date": rule}
    assert violations(endless | {"content": nulled}) == {"content.due_date": rule}


def test_all_violations_come_at_once() -> None:
    """One refusal lists all violations, including rules between two fields."""
    document = changed("content.payment_data.amount", 0)
    document["content"]["due_date"] = "tomorrow"
    document["content"]["markdown"] = "---\nit: {}\n---\n"
    document["expires_at"] = document["not_before"]
    document["unknown"] = 1
    del document["fiscal_code"]
    with pytest.raises(InvalidRequest) as raised:
        read(document)
    assert [violation.field for violation in raised.value.violations] == [
        "fiscal_code",
        "content.markdown",
        "content.markdown",
        "content.payment_data.amount",
        "content.due_date",
        "expires_at",
        "unknown",
    ]
    assert str(raised.value).splitlines()[0] == "fiscal_code: is required"


@pytest.mark.parametrize(("example", "service"), [(SIMPLEST, "default"), (FULL, "tributi")])
def test_service_must_be_configured(example: dict[str, Any], service: str) -> None:
    """If the configured services are given, any other service is refused, even the default one."""
    body = json.dumps(example)
    assert parse_request(body, services={service}).service == service
    with pytest.raises(InvalidRequest, match=r"^service: is not a configured IO service"):
        parse_request(body, services={"anagrafe"})


def test_flood_of_violations_is_cut() -> None:
    """A body with thousands of unknown fields gives a refusal that fits in an event and counts the rest."""
    with pytest.raises(InvalidRequest) as raised:
        read(FULL | {f"unknown_{number}": 1 for number in range(2000)})
    assert len(raised.value.violations) == 51
    assert str(raised.value).endswith("\nbody: breaks 1950 more rules")


@pytest.mark.parametrize(
    ("request_id", "usable"),
    [("r-1", "r-1"), ("", None), (7, None), ("x-RSSMRA80A01H501U", None), (None, None)],
)
def test_refusal_keeps_a_usable_request_id(request_id: Any, usable: str | None) -> None:
    """A refusal carries the request_id, unless the request_id itself is wrong."""
    with pytest.raises(InvalidRequest) as raised:
        read({"request_id": request_id})
    assert raised.value.request_id == usable


@pytest.mark.parametrize(
    ("path", "least", "most"), [("content.subject", 10, 120), ("content.markdown", 80, 10_000)]
)
@pytest.mark.parametrize("unit", ["a", "è", EMOJI])
def test_lengths_are_counted_in_utf16_units(path: str, least: int, most: int, unit: str) -> None:
    """A text of exactly the least or the most UTF-16 units is accepted, and one unit beyond is refused."""
    size = 2 if unit == EMOJI else 1
    for good in (least, most):
        read(changed(path, unit * (good // size)))
    short = "a" + unit * ((least - 2) // size)
    assert violations(changed(path, short))[path].endswith(f"has {1 + (least - 2) // size * size}")
    assert violations(changed(path, unit * (most // size) + "a"))[path].endswith(f"has {most + 1}")


@pytest.mark.parametrize("code", ["RSSMRA80A01H501U", "AAAAAA00A00A000A", "RSSMRA8LA01H50MU"])
def test_fiscal_code_is_judged_as_io_does(code: str) -> None:
    """Letters may replace digits in a fiscal code, and its check character is not verified."""
    assert read(changed("fiscal_code", code)).fiscal_code == code


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("2026-06-30T21:59:59Z", "2026-06-30T21:59:59Z"),
        ("2026-06-30T23:59:59+02:00", "2026-06-30T21:59:59Z"),
        ("2026-06-30T21:59:59.999999999Z", "2026-06-30T21:59:59Z"),
        ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00Z"),
        ("2099-12-31T23:59:59Z", "2099-12-31T23:59:59Z"),
    ],
)
def test_due_date_is_sent_in_utc_seconds(written: str, sent: str) -> None:
    """Any offset and fraction is converted to the one form that every version of IO accepts."""
    content = read(changed("content.due_date", written)).content
    assert content.model_dump(mode="json")["due_date"] == sent


@pytest.mark.parametrize(
    ("preferred", "language"),
    [
        ([], None),
        (["it_IT", "en_GB"], None),
        (["en_GB"], "en_GB"),
        (["de_DE", "en_GB", "it_IT"], "en_GB"),
        (["de_DE"], None),
        (["xx_XX"], None),
    ],
)
def test_language_is_the_first_preferred_that_exists(preferred: list[str], language: str | None) -> None:
    """The profile's languages are tried in order, and Italian is the last resort."""
    assert read(FULL).language_for(preferred) == language


def test_translated_content_keeps_everything_but_the_text() -> None:
    """Only subject and markdown change with the language."""
    request = read(FULL)
    english = request.content_in("en_GB")
    assert english.subject == FULL["translations"]["en_GB"]["subject"]
    assert english.markdown == FULL["translations"]["en_GB"]["markdown"]
    assert english.payment_data == request.content.payment_data
    assert request.content_in(None) == request.content


@pytest.mark.parametrize("example", [SIMPLEST, FULL, REMINDED], ids=["simplest", "full", "reminded"])
def test_request_reads_back_as_written(example: dict[str, Any]) -> None:
    """A request reads back as it was written."""
    request = read(example)
    assert parse_request(request.to_json()) == request


def reordered(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: reordered(document[name]) for name in reversed(document)}
    return document


@pytest.mark.parametrize(
    "rewritten",
    [
        reordered,
        lambda document: document | {"traceparent": None},
        lambda document: document | {"traceparent": FULL["traceparent"].replace("7-01", "8-00")},
        lambda document: document | {"not_before": "2026-05-04T09:00:00.5+02:00"},
        lambda document: {name: document[name] for name in document if name != "service"},
    ],
    ids=["order", "no trace", "other trace", "same instant", "default left out"],
)
def test_canonical_bytes_ignore_how_it_is_written(
    rewritten: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """Order, defaults, zones and the trace do not change the canonical bytes."""
    document = changed("service", "default")
    document["translations"]["de_DE"] = document["translations"]["en_GB"]
    assert read(rewritten(document)).canonical_bytes() == read(document).canonical_bytes()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("request_id", "TARI:2026:000124"),
        ("service", "anagrafe"),
        ("fiscal_code", "RSSMRA80A01H501U"),
        ("feature_level_type", "STANDARD"),
        ("content.subject", "TARI 2026: avviso da saldare"),
        ("content.markdown", FULL["content"]["markdown"] + " "),
        ("content.payment_data", None),
        ("content.payment_data.amount", 12051),
        ("content.payment_data.notice_number", "301000000000000124"),
        ("content.payment_data.invalid_after_due_date", True),
        ("content.payment_data.payee.fiscal_code", "01234567891"),
        ("content.due_date", "2026-06-30T23:59:58+02:00"),
        ("content.require_secure_channels", False),
        ("content.require_secure_channels", None),
        ("translations", {}),
        ("translations.en_GB.subject", "Waste tax 2026: notice to settle"),
        ("campaign", "TARI 2027"),
        ("in_reply_to", "TARI:2025:000123"),
        ("reminders", {}),
        ("not_before", None),
        ("expires_at", None),
    ],
)
def test_canonical_bytes_change_with_any_content(path: str, value: Any) -> None:
    """Any change of the message changes the canonical bytes."""
    assert read(changed(path, value)).canonical_bytes() != read(FULL).canonical_bytes()


def test_repr_hides_the_person_and_the_message() -> None:
    """Neither repr nor str of a request, or of a part of it, contains recipient, text or payment."""
    request = read(FULL)
    parts = [request, request.content, request.content.payment_data, request.translations["en_GB"]]
    shown = "".join(repr(part) + str(part) for part in parts)
    assert request.request_id in shown
    for secret in (
        "AAAAAA00A00A000A",
        "TARI 2026: avviso",
        "Puoi pagare",
        "Waste",
        "12050",
        "301000000000000123",
    ):
        assert secret not in shown


def refusal(body: str) -> InvalidRequest | None:
    try:
        parse_request(body)
    except InvalidRequest as error:
        return error
    return None


def in_fields(code: str, path: str) -> str:
    return json.dumps(changed(path, f"x {code}"))


def as_field(code: str, path: str) -> str:
    return json.dumps(changed(path.rpartition(".")[0] + f".{code}" if "." in path else code, 1))


def inside_a_name(code: str, path: str) -> str:
    return json.dumps(FULL | {f"Z9{code}Z9": path})


def as_broken_json(code: str, path: str) -> str:
    return json.dumps(FULL | {"x": code})[:-2]


@UNHURRIED
@given(
    code=st.from_regex(FISCAL_CODE_PATTERN.replace("$", r"\Z")),
    path=PATHS,
    body=st.sampled_from([in_fields, as_field, inside_a_name, as_broken_json]),
)
def test_no_error_shows_a_fiscal_code(code: str, path: str, body: Callable[[str, str], str]) -> None:
    """No text of an error, not even its traceback, contains a fiscal code from the refused body."""
    error = refusal(body(code, path))
    shown = f"{error!r}\n{error}\n" + "".join(traceback.format_exception(error)) if error else ""
    assert not contains_fiscal_code(shown)
    assert code not in shown


@UNHURRIED
@given(body=st.text() | st.binary() | JSON_VALUES.map(json.dumps) | st.binary().map(base64.b64encode))
def test_arbitrary_bodies_are_refused(body: str | bytes) -> None:
    """Text, bytes, JSON and base64 of anything raise InvalidRequest with at least one violation."""
    with pytest.raises(InvalidRequest) as raised:
        parse_request(body)
    assert raised.value.violations


@UNHURRIED
@given(path=PATHS, value=JSON_VALUES)
def test_request_with_any_value_is_equal_or_refused(path: str, value: Any) -> None:
    """A valid request with any value in any field reads back equal, or is refused at that field."""
    document = changed(path, value)
    error = refusal(json.dumps(document))
    if error is None:
        assert parse_request(read(document).to_json()) == read(document)
    else:
        assert all(violation.field.startswith((path, "body")) for violation in error.violations)


@UNHURRIED
@given(name=st.text().filter(lambda name: name not in FULL), value=JSON_VALUES)
def test_unknown_field_is_refused(name: str, value: Any) -> None:
    """An unknown field, whatever its name, is refused with exactly one violation."""
    error = refusal(json.dumps(FULL | {name: value}))
    assert error is not None
    assert len(error.violations) == 1


@pytest.mark.parametrize("field", ["request_id", "campaign", "in_reply_to"])
@pytest.mark.parametrize(
    "written",
    ["RSSMRA80A01H501U", "TARIrssmra80a01h501u2026", "TARI.RSSMRAULALMHRLMX.2026", "xRSSMRAULALMHRLMUx",
     "RSSMRA-80A01-H501U", "RSS_MRA_80A01_H50MU"],
)  # fmt: skip
def test_recipients_own_code_is_in_no_free_field(field: str, written: str) -> None:
    """A field that becomes a key, an event or a log line may not hold the recipient's code in any form."""
    body = changed("fiscal_code", "RSSMRA80A01H501U") | {field: written}
    with pytest.raises(InvalidRequest) as raised:
        read(body)
    assert (field, "must not contain a fiscal code: it travels in logs and events") in {
        (violation.field, violation.rule) for violation in raised.value.violations
    }
    assert raised.value.request_id is None or field != "request_id"


def test_code_of_nobody_here_is_no_obstacle() -> None:
    """A word that only resembles a fiscal code, and is not the recipient's, is accepted."""
    assert read(changed("request_id", "xRSSMRAULALMHRLMUx")).request_id == "xRSSMRAULALMHRLMUx"
