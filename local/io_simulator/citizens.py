"""Citizens: how each uses IO and treats received messages."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from local.io_simulator.clock import SimulatedClock
from local.io_simulator.script import Script

Seconds = Annotated[float, Field(ge=0)]
Language = Literal["it_IT", "en_GB", "es_ES", "de_DE", "fr_FR"]


class Span(Script):
    """A span of seconds after a message's acceptance. Its end is exclusive; without one it never ends."""

    from_seconds: Seconds = 0
    to_seconds: Seconds | None = None

    def contains(self, seconds: float) -> bool:
        """Return whether the span covers the instant."""
        return seconds >= self.from_seconds and (self.to_seconds is None or seconds < self.to_seconds)


class Citizen(Script):
    """The script of one citizen. The package's docstring describes each field."""

    on_io: bool = True
    inbox_enabled: bool = True
    sender_allowed: bool | dict[str, bool] = True
    blocks_after_seconds: Seconds | None = None
    preferred_languages: tuple[Language, ...] | None = ("it_IT",)
    reads_after_seconds: Seconds | None = 60
    pays_after_seconds: Seconds | None = 120
    read_status_unavailable: tuple[Span, ...] = ()
    processing_outcome: Literal["REJECTED", "FAILED"] | None = None
    pagopa_fails_first_gets: Annotated[int, Field(ge=0)] = 0
    pagopa_fails: tuple[Span, ...] = ()

    @property
    def has_profile(self) -> bool:
        """Whether IO finds a profile. The 404 is the same for a citizen not on IO and for an inbox off."""
        return self.on_io and self.inbox_enabled

    def allows(self, service_id: str) -> bool:
        """Return whether the citizen's preferences do not block the service."""
        if isinstance(self.sender_allowed, bool):
            return self.sender_allowed
        return self.sender_allowed.get(service_id, True)


class Standing(NamedTuple):
    """Whether IO has a profile of the citizen, and whether its preferences allow a service."""

    has_profile: bool
    allows: bool


class Citizens:
    """Holds a citizen for every valid fiscal code: a scripted one, or else the default citizen."""

    def __init__(self, default: Citizen, clock: SimulatedClock) -> None:
        self._clock = clock
        self._default = (default, clock.now())
        self._scripted: dict[str, tuple[Citizen, datetime]] = {}
        self._history: dict[str, list[tuple[Citizen, datetime]]] = {}

    def put(self, citizens: Mapping[str, Citizen]) -> None:
        """Add or replace scripts by fiscal code, or by "default"."""
        now = self._clock.now()
        for fiscal_code, citizen in citizens.items():
            if fiscal_code == "default":
                self._default = (citizen, now)
            else:
                self._scripted[fiscal_code] = (citizen, now)
                self._history.setdefault(fiscal_code, []).append((citizen, now))

    def get(self, fiscal_code: str) -> Citizen:
        """Return the script that applies to a fiscal code."""
        return self._scripted.get(fiscal_code, self._default)[0]

    def allows(self, fiscal_code: str, service_id: str, at: datetime) -> bool:
        """Return whether the citizen, if on IO, takes the service's messages at an instant."""
        return _allows(*self._scripted.get(fiscal_code, self._default), service_id, at)

    @property
    def scripted(self) -> Collection[str]:
        """The fiscal codes with a script of their own."""
        return self._history.keys()

    def standing(self, fiscal_code: str, service_id: str, at: datetime) -> Standing:
        """Return how a scripted citizen stood at an instant. Before the first script there is no profile."""
        found = [script for script in self._history[fiscal_code] if script[1] < at]
        if not found:
            return Standing(has_profile=False, allows=True)
        citizen, scripted_at = found[-1]
        return Standing(citizen.has_profile, _allows(citizen, scripted_at, service_id, at))


def _allows(citizen: Citizen, scripted_at: datetime, service_id: str, at: datetime) -> bool:
    blocks_after = citizen.blocks_after_seconds
    blocked = blocks_after is not None and at >= scripted_at + timedelta(seconds=blocks_after)
    return citizen.allows(service_id) and not blocked
