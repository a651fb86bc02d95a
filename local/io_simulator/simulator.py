"""The simulated world: everything that `POST /simulator/reset` restores."""

from dataclasses import dataclass, field

from local.io_simulator.calls import Calls
from local.io_simulator.citizens import Citizen, Citizens
from local.io_simulator.clock import SimulatedClock
from local.io_simulator.faults import FaultQueue
from local.io_simulator.journal import Journal
from local.io_simulator.messages import Messages
from local.io_simulator.rate_limit import RateLimit, RateLimiter
from local.io_simulator.remote_configurations import RemoteConfigurations
from local.io_simulator.services import Service, Services


def _default_services() -> dict[str, Service]:
    keys, manage_keys = ("simulator-key", "simulator-secondary-key"), ("simulator-manage-key",)
    return {"default": Service(keys=keys, manage_keys=manage_keys)}


@dataclass(frozen=True, slots=True)
class Configuration:
    """The state of a simulator at its start."""

    services: dict[str, Service] = field(default_factory=_default_services)
    default_citizen: Citizen = field(default_factory=Citizen)
    rate_limit: RateLimit = field(default_factory=RateLimit)
    processing_delay_seconds: float = 1


class Simulator:
    """Holds the state that the operations read and change and that the control endpoints script."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.journal = Journal()
        self.reset()

    def reset(self) -> None:
        """Restore the configured initial state."""
        configuration = self.configuration
        self.clock = SimulatedClock()
        self.services = Services(configuration.services)
        self.citizens = Citizens(configuration.default_citizen, self.clock)
        self.messages = Messages(self.clock, self.citizens, configuration.processing_delay_seconds)
        self.remote_configurations = RemoteConfigurations(self.clock)
        self.rate_limiter = RateLimiter(configuration.rate_limit)
        self.faults = FaultQueue()
        self.calls = Calls()
