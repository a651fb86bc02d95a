"""The buttons (CTA) that the front matter of a message's markdown describes in YAML.

The rules are those of IO's guide to the markdown (pagopa/devportal-docs, "Call to Action Buttons"). Where the
guide is silent, the rules are the app's (pagopa/io-app, `ts/features/messages/utils/ctas.ts`).
"""

import re

import yaml

_LANGUAGES = ("it", "en")
_BUTTONS = ("cta_1", "cta_2")
_PROPERTIES = ("text", "action")
_STRING = "tag:yaml.org,2002:str"
_ACTIONS = "ioit://, iosso:// or iohandledlink:// followed by https://, http://, mailto:, tel:, sms: or copy:"

# The app takes no bare mailto:, tel: or sms: as an action: iohandledlink:// must come before it.
_ACTION = re.compile(
    r"(?:ioit://|iosso://|iohandledlink://(?:https?://|mailto:|tel:|sms:|copy:)).+", re.IGNORECASE
)


class Unreadable(Exception):
    """The front matter is not YAML that the app can read."""


def button_rules(block: str) -> list[str]:
    """Return the rules that the buttons of a front matter break. Raises Unreadable."""
    root = _yaml(block)
    rules: list[str] = []
    for language, buttons in _entries(root, "its top level", rules, _LANGUAGES, required=("it",)).items():
        for button, cta in _entries(buttons, language, rules, _BUTTONS, required=("cta_1",)).items():
            _check_button(cta, f"{language}.{button}", rules)
    return rules


def _yaml(text: str) -> yaml.Node | None:
    """Compose the YAML nodes only. No object is built from them, so no tag and no odd value can do harm."""
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.CSafeLoader)):
            raise Unreadable("must not use YAML aliases")
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at its line {mark.line + 1}" if mark else ""
        raise Unreadable(f"is not valid YAML{where}") from None


def _check_button(cta: yaml.Node, path: str, rules: list[str]) -> None:
    for name, value in _entries(cta, path, rules, _PROPERTIES, required=_PROPERTIES).items():
        if not (isinstance(value, yaml.ScalarNode) and value.tag == _STRING and value.value.strip()):
            rules.append(f"{path}.{name} must be a string that is not empty: put it between quotes")
        elif name == "action" and not _ACTION.fullmatch(value.value):
            rules.append(f"{path}.action must be {_ACTIONS}")


def _entries(
    node: yaml.Node | None, path: str, rules: list[str], known: tuple[str, ...], required: tuple[str, ...]
) -> dict[str, yaml.Node]:
    """Return the known entries of a mapping, and add the rules that its keys break to `rules`.

    The error text shows no unknown keys: if the sender drew a line with '---', they are words of the
    message.
    """
    if not isinstance(node, yaml.MappingNode):
        rules.append(f"{path} must be a mapping of {' and '.join(known)}")
        return {}
    names = [key.value for key, _ in node.value]
    rules += [f"{path} must have {name}" for name in required if name not in names]
    rules += [f"{path} has {name} twice" for name in known if names.count(name) > 1]
    if any(name not in known for name in names):
        rules.append(f"{path} may have only {' and '.join(known)}")
    return {key.value: value for key, value in node.value if key.value in known}
