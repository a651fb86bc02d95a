"""The journal beside a campaign's file: how many of its requests are on the queue. No personal data."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

SUFFIX = ".postino.json"


class OtherCampaign(Exception):
    """The file beside holds what was sent as another campaign, so the same people may be written to again."""

    def __init__(self, path: Path, campaign: str, done: int) -> None:
        super().__init__(OtherCampaign.__doc__)
        self.path = path
        self.campaign = campaign
        self.done = done


@dataclass
class Journal:
    """Counts the requests of one content that are on the queue.

    content: the keyed hash of all requests. Another file, template or service has another.
    """

    path: Path
    campaign: str
    content: str
    done: int = 0

    @classmethod
    def beside(cls, file: Path, campaign: str, content: str) -> Self:
        """Open the journal of a file. A journal of another content starts again from nothing.

        Raises OtherCampaign, if requests of another campaign were put from the file.
        """
        journal = cls(file.with_name(file.name + SUFFIX), campaign, content)
        there = _read(journal.path)
        name, done = there.get("campaign"), there.get("done")
        if isinstance(name, str) and isinstance(done, int) and done > 0:
            if name != campaign:
                raise OtherCampaign(journal.path, name, done)
            if there.get("content") == content:
                journal.done = done
        return journal

    def write(self, done: int) -> None:
        """Write how many requests are on the queue, counted from the first row."""
        self.done = done
        document = {"campaign": self.campaign, "content": self.content, "done": done}
        fresh = self.path.with_name(f"{self.path.name}.new")
        fresh.write_text(json.dumps(document) + "\n", encoding="utf-8")
        fresh.replace(self.path)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
