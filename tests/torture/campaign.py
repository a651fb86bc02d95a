"""Many scenarios under one plan, and their summed results."""

from collections import Counter
from dataclasses import dataclass, field

from tests.torture.mutants import OUTAGES
from tests.torture.outage import MESSAGES, OutageScenario
from tests.torture.scenario import Plan, Scenario
from tests.torture.world import Faults

ANSWERS = {
    "rate_limited": 0.1,
    "refused": 0.03,
    "wrong_key": 0.02,
    "stopped": 0.05,
    "profile_missing": 0.03,
    "profile_blocked": 0.02,
    "profile_unavailable": 0.05,
    "no_message_id": 0.02,
    "status_unavailable": 0.05,
}
PLANS = {
    "calm": Plan(),
    "IO refuses": Plan(answers=ANSWERS),
    "faults": Plan(answers=ANSWERS, faults=Faults(0.2)),
    # The longest stall outlives the quarantine of a resend.
    "faults, settlements": Plan(answers=ANSWERS, faults=Faults(0.2), settlements=True),
    "faults, rotation": Plan(answers=ANSWERS, faults=Faults(0.2), rotation=True),
    "faults, resends": Plan(answers=ANSWERS, faults=Faults(0.2, stalls=(150, 700, 1500, 5000)), resend=True),
}


@dataclass
class Tally:
    """Sums over schedules; `first` holds a seed that reproduces each broken invariant."""

    schedules: int = 0
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    resends: int = 0
    first: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Add another tally to this one."""
        self.schedules += other.schedules
        self.requests += other.requests
        self.faults += other.faults
        self.states += other.states
        self.broken += other.broken
        self.resends += other.resends
        self.first = other.first | self.first


def run(plan: str, first_seed: int, schedules: int) -> Tally:
    """Run schedules of a plan, each with a seed of its own."""
    tally = Tally()
    for seed in range(first_seed, first_seed + schedules):
        report = (OutageScenario(seed) if plan == OUTAGES else Scenario(seed, PLANS[plan])).run()
        broken = +report.broken
        tally.add(
            Tally(
                schedules=1,
                requests=MESSAGES if plan == OUTAGES else PLANS[plan].requests,
                faults=report.faults,
                states=report.states,
                broken=broken,
                resends=report.resends,
                first=dict.fromkeys(broken, seed),
            )
        )
    return tally
