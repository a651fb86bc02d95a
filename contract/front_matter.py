"""The front matter of a message's markdown: the block of YAML that puts buttons (CTA) below the message.

IO stores the block unread. If the app cannot read the block, the app shows no button, and the sender gets
no error. The rules are those of IO's guide to the markdown (pagopa/devportal-docs, "Call to Action Buttons").
Where the guide is silent, the rules are the app's (pagopa/io-app, `ts/features/messages/utils/ctas.ts`).
"""

import re

import yaml

_LANGUAGES = ("it", "en")
_BUTTONS = ("cta_1", "cta_2")
_PROPERTIES = ("text", "action")
_STRING = "tag:yaml.org,2002:str"
_ACTIONS = "ioit://, iosso:// or iohandledlink:// followed by https://, http://, mailto:, tel:, sms: or copy:"

_OPENING = re.compile(r"[\s\ufeff]*---[ \t]*(?:\r?\n|\Z)")
_BLOCK = re.compile(r"---\r?\n(.*?)^(?:---|\.\.\.)[ \t]*\r?$", re.DOTALL | re.MULTILINE)
# The app takes no bare mailto:, tel: or sms: as an action: iohandledlink:// must come before it.
_ACTION = re.compile(
    r"(?:ioit://|iosso://|iohandledlink://(?:https?://|mailto:|tel:|sms:|copy:)).+", re.IGNORECASE
)
_UNCLOSED = (
    "starts with a line '---': front matter must open at the very first character and close with another "
    "such line (to draw a rule write ***)"
)


class _FrontMatterError(Exception):
    """The front matter is not YAML that the app can read."""


def front_matter_rules(markdown: str) -> list[str]:
    """Return the rules that the front matter of `markdown` breaks; none when there is no front matter."""
    if not _OPENING.match(markdown):
        return []
    block = _BLOCK.match(markdown)
    if block is None:
        return [_UNCLOSED]
    try:
        return [f"front matter: {rule}" for rule in _button_rules(_yaml(block[1]))]
    except _FrontMatterError as error:
        return [f"front matter {error}"]


def _yaml(text: str) -> yaml.Node | None:
    """Compose the YAML nodes only. No object is built from them, so no tag and no odd value can do harm."""
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.CSafeLoader)):
            raise _FrontMatterError("must not use YAML aliases")
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at its line {mark.line + 1}" if mark else ""
        raise _FrontMatterError(f"is not valid YAML{where}") from None


def _button_rules(root: yaml.Node | None) -> list[str]:
    rules: list[str] = []
    for language, buttons in _entries(root, "its top level", rules, _LANGUAGES, required=("it",)).items():
        for button, cta in _entries(buttons, language, rules, _BUTTONS, required=("cta_1",)).items():
            _check_button(cta, f"{language}.{button}", rules)
    return rules


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
