"""Bar plots as SVG inside a page: no script, no viewBox, so that text keeps its size at every width."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

LINE: Final = 18
BAR: Final = 16
GAP: Final = 14
# What fits beside the number on a phone 400 px wide.
LABEL_WIDTH: Final = 34

# The patterns tell bars apart without colour. The svg must be laid out, or browsers ignore its patterns.
PATTERNS: Final = """
<svg width="0" height="0" aria-hidden="true" class="patterns"><defs>
<pattern id="solid" width="8" height="8" patternUnits="userSpaceOnUse">
<rect width="8" height="8" class="ink"/></pattern>
<pattern id="stripes" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="8" height="8" class="pale"/><rect width="4" height="8" class="ink"/></pattern>
<pattern id="dots" width="8" height="8" patternUnits="userSpaceOnUse">
<rect width="8" height="8" class="pale"/><circle cx="4" cy="4" r="2.6" class="ink"/></pattern>
<pattern id="grid" width="8" height="8" patternUnits="userSpaceOnUse">
<rect width="8" height="8" class="pale"/><path d="M0 0H8M0 0V8" class="line"/></pattern>
</defs></svg>
"""


@dataclass(frozen=True)
class Bar:
    """A bar: its label, the number as it is written, and the part of the whole width that it fills."""

    label: str
    number: str
    part: float


def bars(title: str, description: str, rows: Sequence[Bar], *, pattern: str, identifier: str) -> str:
    """Return a plot with one bar a row. `pattern`: solid, stripes, dots or grid."""
    drawn, y = [], 0
    for row in rows:
        svg, y = _bar(row, y, pattern)
        drawn.append(svg)
    return (
        f'<svg class="plot" role="img" width="100%" height="{max(y - GAP, 1)}" '
        f'aria-labelledby="{identifier}-title {identifier}-description">'
        f'<title id="{identifier}-title">{escape(title)}</title>'
        f'<desc id="{identifier}-description">{escape(description)}</desc>{"".join(drawn)}</svg>'
    )


def _bar(row: Bar, y: int, pattern: str) -> tuple[str, int]:
    """Return a bar below its label, and where the next row begins."""
    lines = textwrap.wrap(row.label, LABEL_WIDTH)
    texts = [
        f'<text x="0" y="{y + LINE * (number + 1) - 5}">{escape(line)}</text>'
        for number, line in enumerate(lines)
    ]
    top = y + LINE * len(lines)
    texts.append(f'<text x="100%" y="{top - 5}" text-anchor="end" class="number">{escape(row.number)}</text>')
    whole = f'<rect x="0" y="{top}" width="100%" height="{BAR}" class="whole"/>'
    part = f'<rect x="0" y="{top}" width="{min(row.part, 1):.2%}" height="{BAR}" fill="url(#{pattern})"/>'
    return "".join([*texts, whole, part if row.part > 0 else ""]), top + BAR + GAP
