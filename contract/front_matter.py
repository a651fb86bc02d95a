"""The front matter of a message's markdown: the block of YAML that puts buttons (CTA) below the message.

IO stores the block unread. If the app cannot read the block, the app shows no button, and the sender gets
no error. `buttons.py` has the rules for the content of the block.
"""

import re

_OPENING = re.compile(r"[\s\ufeff]*---[ \t]*(?:\r?\n|\Z)")
_BLOCK = re.compile(r"---\r?\n(.*?)^(?:---|\.\.\.)[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_UNCLOSED = (
    "starts with a line '---': front matter must open at the very first character and close with another "
    "such line (to draw a rule write ***)"
)


def front_matter_rules(markdown: str) -> list[str]:
    """Return the rules that the front matter of `markdown` breaks; none when there is no front matter."""
    if not _OPENING.match(markdown):
        return []
    block = _BLOCK.match(markdown)
    if block is None:
        return [_UNCLOSED]
    # Import on first use: most messages have no buttons, and a new process would wait for the YAML library.
    from contract.buttons import Unreadable, button_rules

    try:
        return [f"front matter: {rule}" for rule in button_rules(block[1])]
    except Unreadable as error:
        return [f"front matter {error}"]
