"""The suspensions: services that an operator paused, and keys that IO does not accept.

Each pause and each circuit is a row; `suspension_store.py` keeps the rows.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, SecretStr

EVERY: Final = "*"
PAUSE: Final = "pause:"
CIRCUIT: Final = "circuit:"
WRONG_KEY: Final = "invalid_key"
"""The only reason that concerns one key. All other reasons concern the service, whichever key was used."""


class Key(NamedTuple):
    """One of a service's two keys; `name` is primary or secondary."""

    service: str
    name: str
    secret: SecretStr

    @property
    def fingerprint(self) -> str:
        """The text that identifies a refused key. The key cannot be derived from it."""
        return hashlib.sha256(self.secret.get_secret_value().encode()).hexdigest()[:16]


def named_keys(service: str, primary: SecretStr, secondary: SecretStr | None) -> tuple[Key, ...]:
    """Return the keys of a service, in the order in which they are tried."""
    pairs = (("primary", primary), ("secondary", secondary))
    return tuple(Key(service, name, secret) for name, secret in pairs if secret)


class Pause(BaseModel):
    """An operator's request to make no calls for now."""

    model_config = ConfigDict(frozen=True)
    reason: ClassVar[str] = "paused"
    http_status: ClassVar[int | None] = None

    at: datetime
    by: str


class Circuit(BaseModel):
    """The open circuit of a key that IO does not accept, for one kind of call or for all.

    One call in a while probes the key.
    """

    model_config = ConfigDict(frozen=True)

    service: str
    key: str
    fingerprint: str
    operation: str
    reason: str
    http_status: int | None
    at: datetime
    probe_at: datetime

    @property
    def name(self) -> str:
        """The name that distinguishes this circuit from others."""
        return f"{self.service}:{self.key}:{self.operation}"


class Suspensions(BaseModel):
    """Holds pauses by service ("*": all services) and circuits by name."""

    model_config = ConfigDict(frozen=True)

    pauses: Mapping[str, Pause] = {}
    circuits: Mapping[str, Circuit] = {}

    @classmethod
    def of(cls, rows: Mapping[str, str]) -> Self:
        """Return the suspensions in these rows: JSON by row key."""
        pauses = {key.removeprefix(PAUSE): text for key, text in rows.items() if key.startswith(PAUSE)}
        circuits = {key.removeprefix(CIRCUIT): text for key, text in rows.items() if key.startswith(CIRCUIT)}
        return cls(
            pauses={service: Pause.model_validate_json(text) for service, text in pauses.items()},
            circuits={name: Circuit.model_validate_json(text) for name, text in circuits.items()},
        )

    def rows(self) -> dict[str, str]:
        """Return the rows of these suspensions: JSON by row key."""
        pauses = {PAUSE + service: pause.model_dump_json() for service, pause in self.pauses.items()}
        circuits = {CIRCUIT + name: circuit.model_dump_json() for name, circuit in self.circuits.items()}
        return pauses | circuits

    def pause_of(self, service: str) -> Pause | None:
        """Return the pause that holds a service back."""
        return self.pauses.get(service) or self.pauses.get(EVERY)

    def circuit_of(self, key: Key, operation: str) -> Circuit | None:
        """Return the open circuit of a key for a kind of call. Circuits opened for other keys are ignored."""
        names = (f"{key.service}:{key.name}:{kind}" for kind in (EVERY, operation))
        found = (self.circuits[name] for name in names if name in self.circuits)
        return next((circuit for circuit in found if circuit.fingerprint == key.fingerprint), None)

    def suspension_of(self, keys: tuple[Key, ...], operation: str) -> Pause | Circuit | None:
        """Return what holds a service back: its pause, or a circuit if IO accepts none of its keys."""
        return self.pause_of(keys[0].service) or self.all_open(keys, operation)

    def all_open(self, keys: tuple[Key, ...], operation: str) -> Circuit | None:
        """Return the first key's circuit if the circuit of each key is open."""
        circuits = [self.circuit_of(key, operation) for key in keys]
        return circuits[0] if all(circuits) else None

    def circuits_of(self, keys: tuple[Key, ...]) -> list[Circuit]:
        """Return every open circuit of exactly these keys. Those of the service's former keys are ignored."""
        named = {(key.service, key.name, key.fingerprint) for key in keys}
        return [one for one in self.circuits.values() if (one.service, one.key, one.fingerprint) in named]

    def covers(self, circuit: Circuit) -> bool:
        """Return whether the key is known to be refused and no probe of it is under way."""
        known = self.circuits.get(circuit.name)
        return known is not None and known.fingerprint == circuit.fingerprint and known.probe_at > circuit.at

    def with_pause(self, service: str, pause: Pause | None) -> "Suspensions":
        """Return these with a service paused (None: resumed). An existing pause stays as it is."""
        others = {name: one for name, one in self.pauses.items() if name != service}
        kept = {service: self.pauses.get(service, pause)} if pause else {}
        return self.model_copy(update={"pauses": others | kept})

    def with_circuits(self, *circuits: Circuit) -> "Suspensions":
        """Return these with more circuits open. A circuit that is already open keeps its start."""
        since = {(name, circuit.fingerprint): circuit.at for name, circuit in self.circuits.items()}
        new = {
            one.name: one.model_copy(update={"at": since.get((one.name, one.fingerprint), one.at)})
            for one in circuits
        }
        return self.model_copy(update={"circuits": {**self.circuits, **new}})

    def without(self, circuit: Circuit) -> "Suspensions":
        """Return these with one circuit closed. A right that the service regains holds for either key."""
        others = {name: one for name, one in self.circuits.items() if not _ends_with(one, circuit)}
        return self.model_copy(update={"circuits": others})


def _ends_with(one: Circuit, closed: Circuit) -> bool:
    of_service = WRONG_KEY not in (one.reason, closed.reason)
    same = (one.service, one.operation) == (closed.service, closed.operation)
    return one.name == closed.name or (of_service and same)
