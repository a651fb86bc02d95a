"""The front matter of the markdown: buttons that IO's app shows, and those that it silently drops."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.front_matter import front_matter_rules

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
BUTTON = '{text: "Vai al sito", action: "iohandledlink://https://www.comune.example.it"}'


def markdown(block: str) -> str:
    return f"---\n{block}\n---\nTesto del messaggio"


@pytest.mark.parametrize(
    "text",
    [
        "Testo senza pulsanti",
        "Titolo\n---\nun titolo sottolineato",
        "***\nun filetto",
        markdown(f"it:\n  cta_1: {BUTTON}"),
        markdown(f"it:\n  cta_1: {BUTTON}\n  cta_2: {BUTTON}\nen:\n  cta_1: {BUTTON}"),
        markdown(f"it:\n  cta_1: {BUTTON}").replace("\n", "\r\n"),
        f"---\nit:\n  cta_1: {BUTTON}\n...\nTesto",
    ],
)
def test_text_that_the_app_shows_is_taken(text: str) -> None:
    """A text without front matter, or with front matter as in IO's guide, breaks no rule."""
    assert front_matter_rules(text) == []


@pytest.mark.parametrize(
    "action",
    [
        "iohandledlink://https://io.italia.it/",
        "iohandledlink://http://io.italia.it/",
        "iohandledlink://mailto:nome.cognome@example.it",
        "iohandledlink://tel:+39061234567",
        "iohandledlink://sms:+393211234567",
        "iohandledlink://copy:301000000000000012",
        "ioit://services",
        "iosso://https://www.comune.example.it",
    ],
)
def test_action_that_the_app_follows_is_taken(action: str) -> None:
    """Links, calls, messages, copies and places in IO's app are valid actions."""
    assert front_matter_rules(markdown(f'it: {{cta_1: {{text: "Vai", action: "{action}"}}}}')) == []


@pytest.mark.parametrize(
    "action",
    [
        "https://www.comune.example.it",
        "mailto:nome.cognome@example.it",
        "iohandledlink://www.comune.example.it",
        "iohandledlink://iohandledlink://https://www.comune.example.it",
        "iohandledlink://https://",
        "javascript:alert(1)",
    ],
)
def test_action_that_the_app_ignores_is_refused(action: str) -> None:
    """An action without the app's prefix, with two prefixes or with nothing after the prefix is refused."""
    (rule,) = front_matter_rules(markdown(f'it: {{cta_1: {{text: "Vai", action: "{action}"}}}}'))
    assert rule.startswith("front matter: it.cta_1.action must be ioit://")


@pytest.mark.parametrize(
    ("block", "rules"),
    [
        ("", ["its top level must be a mapping of it and en"]),
        ("solo testo", ["its top level must be a mapping of it and en"]),
        (f"en:\n  cta_1: {BUTTON}", ["its top level must have it"]),
        (f"it:\n  cta_1: {BUTTON}\nde: {{}}", ["its top level may have only it and en"]),
        (f"it:\n  cta_2: {BUTTON}", ["it must have cta_1"]),
        (f"it:\n  cta_1: {BUTTON}\n  cta_3: {BUTTON}", ["it may have only cta_1 and cta_2"]),
        (f"it:\n  cta_1: {BUTTON}\n  cta_1: {BUTTON}", ["it has cta_1 twice"]),
        (f"it:\n  cta_1: {BUTTON}\nen: []", ["en must be a mapping of cta_1 and cta_2"]),
        ("it: {cta_1: {text: Vai}}", ["it.cta_1 must have action"]),
        (
            'it: {cta_1: {text: 1, action: "ioit://services"}}',
            ["it.cta_1.text must be a string that is not empty: put it between quotes"],
        ),
        (
            'it: {cta_1: {text: !!str {a: b}, action: " "}}',
            [
                "it.cta_1.text must be a string that is not empty: put it between quotes",
                "it.cta_1.action must be a string that is not empty: put it between quotes",
            ],
        ),
    ],
)
def test_buttons_of_another_shape_are_refused(block: str, rules: list[str]) -> None:
    """Each missing, unknown, repeated or empty part of the front matter is one rule that names it."""
    assert front_matter_rules(markdown(block)) == [f"front matter: {rule}" for rule in rules]


@pytest.mark.parametrize(
    ("block", "rule"),
    [
        ("it: {cta_1: ", "front matter is not valid YAML at its line 2"),
        ('it: "\\UFFFFFFFF"', "front matter is not valid YAML at its line 1"),
        ("it: \x01", "front matter is not valid YAML"),
        ("it: " + "[" * 4000, "front matter is not valid YAML at its line 1"),
        (f"it: &a\n  cta_1: {BUTTON}\nen: *a", "front matter must not use YAML aliases"),
    ],
)
def test_yaml_that_is_broken_or_a_trap_is_refused(block: str, rule: str) -> None:
    """Syntax errors, forbidden characters, extreme nesting and aliases are refused."""
    assert front_matter_rules(markdown(block)) == [rule]


@pytest.mark.parametrize(
    "text", ["\n" + markdown(f"it:\n  cta_1: {BUTTON}"), "--- \nit:\n---\n", "---\nit:\n", "---"]
)
def test_front_matter_that_the_app_would_print_is_refused(text: str) -> None:
    """A block that starts late or never closes is refused: the citizen would see YAML."""
    (rule,) = front_matter_rules(text)
    assert rule.startswith("starts with a line '---'")


def test_words_of_the_message_are_not_shown() -> None:
    """Text between two rules is taken for front matter and refused, and no word of it is in the rule."""
    (first, second) = front_matter_rules(markdown("Gentile Mario Rossi: il tuo debito è di 300 euro"))
    assert "Mario" not in first + second


@UNHURRIED
@given(block=st.text(alphabet="it:en cta_12\n-{}[]&*!\"'|>%?#,\\xUu09", max_size=200) | st.text())
def test_no_front_matter_makes_the_reader_fail(block: str) -> None:
    """Whatever stands between the two lines, the result is a list of rules."""
    assert isinstance(front_matter_rules(markdown(block)), list)
