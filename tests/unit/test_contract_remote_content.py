"""The remote content of a request: every rule, at its field, in the model and in the schema."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from contract.fiscal_code import FISCAL_CODE_PATTERN
from contract.request import MessageRequest, parse_request
from contract.schemas import schemas
from contract.violations import InvalidRequest
from tests.samples import BLOB, FISCAL_CODE, MARKDOWN, SUBJECT, a_body, remote_content

REQUEST = schemas()["message-request.schema.json"]
FULL = remote_content(BLOB, precondition={"title": "Prima di aprire", "markdown": "Contiene dati sanitari."})
EMOJI = "🙂"  # two UTF-16 code units
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
PERSONAL = "must not contain a fiscal code: it travels in logs and events"
OMOCODIA = "RSSMRAULALMHRLMU"


def body(remote: Any, **changes: Any) -> str:
    return a_body(**({"feature_level_type": "ADVANCED", "remote_content": remote} | changes))


def read(remote: Any, **changes: Any) -> MessageRequest:
    return parse_request(body(remote, **changes))


def violations(remote: Any, **changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as raised:
        read(remote, **changes)
    return {violation.field: violation.rule for violation in raised.value.violations}


def with_name(name: Any) -> dict[str, Any]:
    return remote_content(attachments=[{"name": name, "blob": BLOB}])


def with_precondition(**changes: Any) -> dict[str, Any]:
    return FULL | {"precondition": FULL["precondition"] | changes}


def is_valid_for_schema(content: Any) -> bool:
    return bool(Draft202012Validator(REQUEST).is_valid(json.loads(body(content))))


IN_BOTH = [
    ("remote_content", [], "must be an object, is an array"),
    ("remote_content.subject", FULL | {"subject": 7}, "must be a string, is a number"),
    ("remote_content.subject", FULL | {"subject": "abcd"}, "must have 10 to 120 UTF-16 code units, has 4"),
    (
        "remote_content.subject",
        FULL | {"subject": "a" * 121},
        "must have 10 to 120 UTF-16 code units, has 121",
    ),
    (
        "remote_content.markdown",
        FULL | {"markdown": "a" * 39},
        "must have 80 to 10000 UTF-16 code units, has 39",
    ),
    ("remote_content.markdown", FULL | {"markdown": "a" * 10_001}, "must have 80 to 10000"),
    ("remote_content.attachments", FULL | {"attachments": {}}, "must be an array, is an object"),
    ("remote_content.attachments", FULL | {"attachments": None}, "must be an array, is null"),
    ("remote_content.attachments", remote_content(*[BLOB] * 11), "must have at most 10 values, has 11"),
    ("remote_content.attachments.0", FULL | {"attachments": [BLOB]}, "must be an object, is a string"),
    ("remote_content.attachments.0.name", FULL | {"attachments": [{"blob": BLOB}]}, "is required"),
    ("remote_content.attachments.0.blob", FULL | {"attachments": [{"name": "a.pdf"}]}, "is required"),
    ("remote_content.attachments.0.url", FULL | {"attachments": [{"url": "x"}]}, "is not a known field"),
    ("remote_content.attachments.0.name", with_name(7), "must be a string, is a number"),
    ("remote_content.attachments.0.name", with_name("a" * 124 + ".pdf"), "must have 5 to 127"),
    ("remote_content.attachments.0.name", with_name("avviso.PDF"), "must end in .pdf, the only type"),
    ("remote_content.attachments.0.name", with_name("avviso.pdf.exe"), "must end in .pdf, the only type"),
    ("remote_content.attachments.0.blob", remote_content(""), "must be 1 to 512 characters"),
    ("remote_content.attachments.0.blob", remote_content("a" * 513), "must be 1 to 512 characters"),
    ("remote_content.attachments.0.blob", remote_content("a b.pdf"), "must be 1 to 512 characters"),
    ("remote_content.attachments.0.blob", remote_content("perché.pdf"), "must be 1 to 512 characters"),
    ("remote_content.attachments.0.blob", remote_content("a\\b.pdf"), "must be 1 to 512 characters"),
    ("remote_content.attachments.0.blob", remote_content("a%2Fb.pdf"), "must be 1 to 512 characters"),
    ("remote_content.attachments.0.blob", remote_content("a?x=1"), "must be 1 to 512 characters"),
    ("remote_content.precondition", FULL | {"precondition": "x"}, "must be an object, is a string"),
    ("remote_content.precondition.title", with_precondition(title=""), "must have 1 to 120"),
    ("remote_content.precondition.title", with_precondition(title="a" * 121), "must have 1 to 120"),
    ("remote_content.precondition.markdown", with_precondition(markdown=""), "must have 1 to 10000"),
    (
        "remote_content.precondition.markdown",
        with_precondition(markdown="a" * 10_001),
        "must have 1 to 10000",
    ),
    (
        "remote_content.precondition.has_precondition",
        with_precondition(has_precondition="NEVER"),
        "must be 'ALWAYS' or 'ONCE'",
    ),
    ("remote_content.third_party_data", FULL | {"third_party_data": {}}, "is not a known field"),
    ("remote_content.id", FULL | {"id": "my-own"}, "is not a known field"),
]
"""What both refuse. A schema cannot say the rules of `IN_THE_MODEL_ALONE`."""

IN_THE_MODEL_ALONE = [
    ("remote_content.markdown", FULL | {"markdown": "---\n" + "a" * 80}, "starts with a line '---'"),
    ("remote_content.markdown", FULL | {"markdown": None}, "is given with subject or not at all"),
    ("remote_content.markdown", FULL | {"subject": None}, "is given with subject or not at all"),
    ("remote_content.attachments", {}, "must name a document when there is no subject and markdown"),
    (
        "remote_content.attachments",
        {"precondition": FULL["precondition"]},
        "must name a document when there is no subject and markdown",
    ),
    ("remote_content.attachments.0.name", with_name("2026/avviso.pdf"), "must have no slash"),
    ("remote_content.attachments.0.name", with_name("2026\\avviso.pdf"), "must have no slash"),
    ("remote_content.attachments.0.name", with_name("avviso\u0000.pdf"), "must have no slash and only"),
    ("remote_content.attachments.0.name", with_name("avviso\r\nX: y.pdf"), "must have no slash and only"),
    ("remote_content.attachments.0.name", with_name("\u202efdp.avviso.pdf"), "must have no slash and only"),
    ("remote_content.attachments.0.blob", remote_content("a.pdf\n"), "must be 1 to 512 characters"),
    ("remote_content.attachments.0.blob", remote_content("/a.pdf"), "must be 1 to 512 characters"),
    ("remote_content.attachments.0.blob", remote_content("a/"), "must be 1 to 512 characters"),
    ("remote_content.attachments.0.blob", remote_content("a//b.pdf"), "must be 1 to 512 characters"),
    ("remote_content.attachments.0.blob", remote_content("a/../b.pdf"), "must be 1 to 512 characters"),
    ("remote_content.attachments.0.blob", remote_content("a/./b.pdf"), "must be 1 to 512 characters"),
    ("remote_content.attachments.0.blob", remote_content("a."), "must be 1 to 512 characters"),
    ("remote_content.attachments.0.blob", remote_content(f"{FISCAL_CODE}.pdf"), PERSONAL),
    ("remote_content.attachments.0.blob", remote_content("x/AAAAAA00A00A000A.pdf"), PERSONAL),
]


@pytest.mark.parametrize(("path", "content", "rule"), [*IN_BOTH, *IN_THE_MODEL_ALONE])
def test_violation_names_the_field_and_the_rule(path: str, content: Any, rule: str) -> None:
    """One wrong value is refused at its field, with a rule that says what the field must be."""
    assert violations(content)[path].startswith(rule)


@pytest.mark.parametrize(("path", "content", "rule"), IN_BOTH)
def test_schema_refuses_it_too(path: str, content: Any, rule: str) -> None:
    """The schema refuses what it can express."""
    assert not is_valid_for_schema(content)


@pytest.mark.parametrize(
    "content",
    [
        FULL,
        remote_content(),
        remote_content(BLOB, subject=None, markdown=None),
        remote_content(*[BLOB] * 10),
        FULL | {"precondition": None},
        {"subject": None, "markdown": None, "precondition": None, "attachments": FULL["attachments"]},
        remote_content(subject=EMOJI * 5, markdown=EMOJI * 40),
        remote_content(subject=EMOJI * 60, markdown=EMOJI * 5_000),
        with_name("x.pdf"),
        with_name(".pdf.pdf"),
        with_name("Città di Ñ – €12,50 & <b>'\"😀.pdf"),
        with_name("a" * 123 + ".pdf"),
        remote_content("a"),
        remote_content("A-Z_a.z/0-9/x"),
        remote_content("/".join("a" * 256)),
        remote_content("a" * 512),
        remote_content(".well-known"),
        remote_content("-/_/..a"),
        with_precondition(title="a", markdown="a"),
        with_precondition(title=EMOJI * 60, markdown=EMOJI * 5_000, has_precondition="ONCE"),
    ],
)
def test_what_the_model_takes_the_schema_takes(content: dict[str, Any]) -> None:
    """A valid value at the edge of a rule passes both, and reads back as it was written."""
    assert is_valid_for_schema(content)
    request = read(content)
    assert parse_request(request.to_json()) == request


def test_all_violations_come_at_once() -> None:
    """One refusal lists the violations of every document and text."""
    content = {"subject": "x", "markdown": "y", "attachments": [{"name": "a", "blob": "b"}, {"blob": "/"}]}
    found = violations(content | {"precondition": {"title": ""}}, fiscal_code="x")
    assert {*found} == {
        "fiscal_code",
        "remote_content.subject",
        "remote_content.markdown",
        "remote_content.attachments.0.name",
        "remote_content.attachments.1.name",
        "remote_content.attachments.1.blob",
        "remote_content.precondition.title",
        "remote_content.precondition.markdown",
    }


def test_remote_content_needs_a_premium_message() -> None:
    """A STANDARD message has no remote content, whether it says so or says nothing."""
    rule = "needs feature_level_type ADVANCED: IO takes no remote content without it"
    assert violations(FULL, feature_level_type="STANDARD") == {"remote_content": rule}
    assert violations(FULL, feature_level_type=None) == {"remote_content": rule}


def test_courtesy_text_is_still_required() -> None:
    """The text of content is required with a remote content too: IO sends it by e-mail."""
    assert violations(FULL, content={"subject": SUBJECT}) == {"content.markdown": "is required"}
    assert read(FULL).content.markdown == MARKDOWN


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (remote_content(BLOB), "NEVER"),
        (FULL, "ALWAYS"),
        (with_precondition(has_precondition="ONCE"), "ONCE"),
    ],
)
def test_precondition_is_shown_always_unless_once(content: dict[str, Any], word: str) -> None:
    """The word for IO follows from the precondition."""
    kept = read(content).remote_content
    assert kept
    assert kept.has_precondition == word


@pytest.mark.parametrize(
    "written",
    [
        "RSSMRA80A01H501U.pdf",
        "tari/rssmra80a01h501u.pdf",
        "tari/2026RSSMRA80A01H501U2026",
        f"{OMOCODIA}.pdf",
        f"x{OMOCODIA.lower()}x.pdf",
        "RSSMRA-80A01-H501U.pdf",
        "RSSMRA/80A01/H501U.pdf",
        "RSS_MRA_80A01_H50MU",
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_recipients_own_code_is_in_no_blob_name(written: str, place: int) -> None:
    """A name of a blob may not hold the recipient's code, whatever its case, form or separators."""
    blobs = [BLOB, BLOB]
    blobs[place] = written
    assert PERSONAL in violations(remote_content(*blobs))[f"remote_content.attachments.{place}.blob"]


def test_code_of_nobody_here_is_no_obstacle() -> None:
    """A part of a blob's name that only resembles a code is accepted; so is a code in a file's name."""
    read(remote_content(f"x{OMOCODIA}x.pdf"), fiscal_code="AAAAAA00A00A000A")
    read(with_name(f"Avviso {FISCAL_CODE}.pdf"))


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: reordered(value[name]) for name in reversed(value)}
    return value


@pytest.mark.parametrize(
    "content",
    [
        reordered(FULL),
        with_precondition(has_precondition="ALWAYS"),
    ],
    ids=["order", "default written"],
)
def test_canonical_bytes_ignore_how_it_is_written(content: dict[str, Any]) -> None:
    """The order of fields and a default that is written out make no difference."""
    assert read(content).canonical_bytes() == read(FULL).canonical_bytes()


@pytest.mark.parametrize(
    "content",
    [
        None,
        FULL | {"subject": SUBJECT + "!"},
        FULL | {"markdown": MARKDOWN + "!"},
        FULL | {"subject": None, "markdown": None},
        FULL | {"precondition": None},
        with_precondition(title="Prima"),
        with_precondition(markdown="Prima"),
        with_precondition(has_precondition="ONCE"),
        FULL | {"attachments": []},
        FULL | {"attachments": FULL["attachments"] * 2},
        FULL | {"attachments": [{"name": "Altro.pdf", "blob": BLOB}]},
        FULL | {"attachments": [FULL["attachments"][0] | {"blob": "altro.pdf"}]},
    ],
)
def test_canonical_bytes_change_with_any_content(content: dict[str, Any] | None) -> None:
    """Any change of the remote content is another message."""
    assert read(content).canonical_bytes() != read(FULL).canonical_bytes()


def test_order_of_documents_is_content() -> None:
    """The same documents in another order are another message, because the citizen sees another list."""
    first, second = remote_content("a.pdf", "b.pdf"), remote_content("b.pdf", "a.pdf")
    assert read(first).canonical_bytes() != read(second).canonical_bytes()


def test_requests_without_remote_content_keep_their_canonical_bytes() -> None:
    """The digest of a request of before is unchanged: the new field is absent from its canonical bytes."""
    assert b"remote_content" not in parse_request(a_body()).canonical_bytes()


def test_repr_hides_texts_and_names() -> None:
    """Neither repr nor str of a remote content, or of a part, contains its texts or names."""
    content = read(FULL).remote_content
    assert content
    parts = [content, content.precondition, *content.attachments]
    shown = "".join(repr(part) + str(part) for part in parts)
    secrets = (SUBJECT, MARKDOWN[:20], "Avviso TARI", BLOB, "Prima di aprire", "sanitari")
    assert not [word for word in secrets if word in shown]
    assert "has_precondition='ALWAYS'" in shown


PART = st.text("xyzXYZ019._-", min_size=1, max_size=20).filter(lambda part: not part.endswith("."))
SEPARATORS = st.sampled_from(["", "-", "_", "/", ".x"])
DIGITS = dict(zip("0123456789", "LMNPQRSTUV", strict=True))


@UNHURRIED
@given(blob=st.lists(PART, min_size=1, max_size=8).map("/".join))
def test_any_good_blob_name_passes_both(blob: str) -> None:
    """Every name made of good parts is accepted by the model and by the schema."""
    assert is_valid_for_schema(remote_content(blob))
    read(remote_content(blob))


def refused_fields(remote: Any) -> set[str]:
    try:
        read(remote)
    except InvalidRequest as error:
        return {violation.field for violation in error.violations}
    return set()


@UNHURRIED
@given(blob=st.text(max_size=600))
def test_any_text_is_a_good_blob_name_or_refused_there(blob: str) -> None:
    """Any text is accepted unchanged by model and schema, or refused at its field."""
    content = remote_content(blob)
    if refused := refused_fields(content):
        assert refused == {"remote_content.attachments.0.blob"}
        return
    assert is_valid_for_schema(content)
    kept = read(content).remote_content
    assert kept
    assert kept.attachments[0].blob == blob


@UNHURRIED
@given(
    code=st.from_regex(FISCAL_CODE_PATTERN.replace("$", r"\Z")),
    before=st.text("abc019", max_size=5),
    separator=SEPARATORS,
    at=st.integers(0, 16),
    replaced=st.sets(st.sampled_from([6, 7, 9, 10, 12, 13, 14])),
    lower=st.booleans(),
)
def test_no_form_of_the_recipients_code_is_in_a_blob_name(
    code: str, before: str, separator: str, at: int, replaced: set[int], lower: bool
) -> None:
    """With letters for digits, in any case and cut in two by a separator, the code is found and refused."""
    form = "".join(DIGITS.get(sign, sign) if place in replaced else sign for place, sign in enumerate(code))
    separator = separator if separator != ".x" else "."
    written = f"{form[:at]}{separator if 0 < at < 16 else ''}{form[at:]}"
    blob = f"{before}-{written.lower() if lower else written}-x"
    found = violations(remote_content(blob), fiscal_code=code)
    assert PERSONAL in found["remote_content.attachments.0.blob"]


@UNHURRIED
@given(name=st.text(max_size=130).map(lambda text: f"{text}.pdf"))
def test_any_name_of_a_file_is_kept_or_refused_there(name: str) -> None:
    """Any text ending in .pdf is accepted unchanged by model and schema, or refused at its field."""
    content = with_name(name)
    if refused := refused_fields(content):
        assert refused == {"remote_content.attachments.0.name"}
        return
    assert is_valid_for_schema(content)
    request = read(content)
    assert request.remote_content
    assert request.remote_content.attachments[0].name == name
    assert parse_request(request.to_json()) == request


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@UNHURRIED
@given(
    value=JSON_VALUES,
    place=st.sampled_from(["", "subject", "markdown", "attachments", "attachments.0", "precondition", "x"]),
)
def test_any_json_is_a_remote_content_or_refused(value: Any, place: str) -> None:
    """Any JSON in any place is accepted or refused with violations of that field; nothing else is raised."""
    content: Any = FULL | {place: value} if place else value
    if place == "attachments.0":
        content = FULL | {"attachments": [value]}
    assert all(field.startswith(("remote_content", "body")) for field in refused_fields(content))
