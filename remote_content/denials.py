"""Counts denied calls: by cause for the metrics, and by caller in the memory of this process."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import telemetry

log = logging.getLogger(__name__)

WINDOW_SECONDS: Final = 60.0
MOST_IN_A_WINDOW: Final = 20
MOST_CALLERS: Final = 1000
OTHERS: Final = "others"


class Denials:
    """The denied calls of the current minute. `digest`: a keyed hash, in place of a caller's address."""

    def __init__(
        self, digest: Callable[[bytes], str], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._digest = digest
        self._monotonic = monotonic
        self._since = monotonic()
        self._by_caller: Counter[str] = Counter()
        self._is_logged = False

    def add(self, cause: str, caller: str) -> None:
        """Count a denied call. If one caller has too many in a minute, log that once in the minute."""
        telemetry.remote_content_denials.add(1, {"cause": cause})
        if self._monotonic() - self._since >= WINDOW_SECONDS:
            self._since, self._is_logged = self._monotonic(), False
            self._by_caller.clear()
        who = self._digest(caller.encode())[:12]
        if who not in self._by_caller and len(self._by_caller) >= MOST_CALLERS:
            who = OTHERS
        self._by_caller[who] += 1
        if self._by_caller[who] > MOST_IN_A_WINDOW and not self._is_logged:
            self._is_logged = True
            log.warning(
                "remote content: more than %d denied calls in a minute caller=%s cause=%s",
                MOST_IN_A_WINDOW, who, cause,
            )  # fmt: skip
