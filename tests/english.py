"""Finds English in what the command prints, which operators read in Italian."""

import re

# Words that no Italian sentence has.
_WORDS = (
    "about|above|abort|aborted|after|again|already|and|answer|any|are|argument|arguments|"
    "bad|be|been|before|below|between|but|by|can|cannot|change|changed|choose|command|"
    "commands|could|days|deleted|did|does|done|each|empty|enter|error|errors|exists|"
    "expected|extra|failed|false|for|found|from|give|given|got|had|has|have|hour|hours|"
    "how|input|installed|into|invalid|is|key|keys|known|least|length|like|made|make|means|"
    "message|messages|minute|minutes|missing|more|most|must|name|names|needs|never|next|not|"
    "number|object|of|only|option|options|or|other|our|out|positive|provide|received|"
    "refused|remove|request|required|seconds|sent|should|some|such|than|that|the|their|them|"
    "there|these|this|those|times|to|too|true|try|unable|unexpected|unknown|usage|use|"
    "valid|value|values|was|were|what|when|where|which|while|who|will|with|without|wrong|"
    "year|years|you|your"
)
# What an operator writes or finds elsewhere as it is: commands, options, settings, fields, paths, the word of
# IO beside its meaning, and what stands between quotation marks.
_NAMES = re.compile(
    r"""`[^`]*` | «[^»]*» | '[^' ]*' | "[^"]*" | \bpostino(?:[ ][a-z-]+)* | --?[a-z][a-z-]* | Key[ ]Vault
    | \([A-Za-z_0-9*]+\) | <[^>]*> | \{\w+\} | [A-Za-z0-9]+(?:[-_./:=@\[\]]+[A-Za-z0-9]+)+ """,
    re.VERBOSE,
)
_ENGLISH = re.compile(rf"\b(?:{_WORDS})\b", re.IGNORECASE)
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]:[0-9]{2}(?:\.[0-9]+)?(?:Z|\+[0-9]{2}:[0-9]{2})")


def english_in(text: str) -> list[str]:
    """The English words of a text, names left out."""
    return _ENGLISH.findall(_NAMES.sub(" ", text))


def instants_in(text: str) -> list[str]:
    """The instants of a text that are written as programs write them."""
    return _INSTANT.findall(text)
