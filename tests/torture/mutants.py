"""The protocol with one safeguard taken out. Each must be caught, or the checks are worth nothing.

A mutant is the product's own source with a few words replaced while it is imported.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

SEND, ATTEMPT_RESULT, DELIVERY, LEDGER, NOTICES, FOLLOW, BREAKERS, ACCOUNT = (
    "send_message.send_message",
    "send_message.attempt_result",
    "send_message.delivery",
    "storage.ledger",
    "storage.notices",
    "check_status.follow",
    "io_api.breakers",
    "io_api.account",
)
ROTATE_KEYS, KEY_ROTATION, SEALED_ROWS = (
    "rotate_keys.rotate_keys",
    "storage.key_rotation",
    "storage.sealed_rows",
)
OUTAGES = "IO is out"


class OutOfDate(Exception):
    """The mutant's words are not in the source any more: bring the mutant up to date."""


@dataclass(frozen=True)
class Mutant:
    """What to replace, by module, and the plan that shows the damage."""

    name: str
    changes: Mapping[str, Sequence[tuple[str, str]]]
    plan: str = "faults"


MUTANTS = (
    Mutant(
        "POST before the intent is written",
        {
            SEND: (
                (
                    "claimed = await record(ledger.intent(entry, language), NOT_CLAIMED, ledger)\n"
                    "            step, changes = await _post(claimed, ",
                    "from dataclasses import replace\n"
                    "            early = replace(entry, lease_until=context.clock() + timedelta(hours=1))\n"
                    "            step, changes = await _post(early, ",
                ),
                (
                    "    # Log before",
                    "    claimed = await record(ledger.intent(entry), NOT_CLAIMED, ledger)\n    # Log before",
                ),
            )
        },
    ),
    Mutant(
        "send again when the lease has run out",
        {
            DELIVERY: (("return Action.MARK_IN_DOUBT if", "return Action.PROCEED if"),),
            LEDGER: (("State.SENDING: frozenset({", "State.SENDING: frozenset({State.SENDING, "),),
        },
    ),
    Mutant(
        "try again after an ambiguous answer",
        {
            SEND: (
                (
                    "return Step(State.IN_DOUBT, error.reason, error.status), {}",
                    "return deferral(claimed, error, context.clock())",
                ),
            )
        },
    ),
    Mutant(
        "write the outcome over whatever is there",
        {
            ATTEMPT_RESULT: (("not current.awaits(result)", "False"),),
            LEDGER: (("    raise IllegalStep(", "    return State(step.what)\n    raise IllegalStep("),),
        },
        plan="faults, resends",
    ),
    Mutant(
        "claim without a condition",
        {
            LEDGER: (
                (
                    "            etag = await self._table.replace(entry.row, values)\n",
                    "            if entry.state is State.SENDING:\n"
                    "                await self._table.upsert(partition, key, values)\n"
                    "                etag = (await self._table.get(partition, key)).etag\n"
                    "            else:\n"
                    "                etag = await self._table.replace(entry.row, values)\n",
                ),
            )
        },
    ),
    Mutant(
        "no fence between attempts",
        {LEDGER: (("self.owner != result.owner", "False"),)},
        plan="faults, resends",
    ),
    Mutant(
        "take any row for one's own write",
        {LEDGER: ((" or there.mark != planned.mark:", ":"),)},
    ),
    Mutant(
        "no deadline before the POST",
        {
            SEND: (
                (
                    "if claimed.lease_until is None or context.clock() + LONGEST_POST > claimed.lease_until:",
                    "if False:",
                ),
            )
        },
    ),
    Mutant(
        "late evidence heals nothing",
        {LEDGER: (("is_evidence = result.what in (State.ACCEPTED, State.REFUSED)", "is_evidence = False"),)},
    ),
    Mutant(
        "drop a redelivered message that is behind",
        {
            DELIVERY: (
                ("return Action.DISPATCH if delivery.redelivered else Action.DROP", "return Action.DROP"),
            )
        },
    ),
    Mutant(
        "no recheck after a late answer",
        {
            ATTEMPT_RESULT: (
                (
                    "            await context.dispatcher.enqueue_recheck(current, "
                    "current.sends_queue, LEASE)\n",
                    "",
                ),
            )
        },
    ),
    Mutant(
        "no dispatch of a current message that the ledger has moved past",
        {
            DELIVERY: (
                (
                    "if entry.state in WAITING else Action.DISPATCH",
                    "if entry.state in WAITING else Action.DROP",
                ),
            )
        },
    ),
    Mutant(
        "leave the due index before the poll",
        {
            FOLLOW: (
                (
                    "    entry = await context.ledger.get(due.request_id)\n",
                    "    await context.due_index.remove(due)\n"
                    "    entry = await context.ledger.get(due.request_id)\n",
                ),
            )
        },
    ),
    Mutant(
        "read the settlement before the request is noted",
        {
            NOTICES: (
                (
                    "        if await self._table.write(first, GUARD, None, ",
                    "        paid_at = await self._paid_at([first, *others])\n"
                    "        if await self._table.write(first, GUARD, None, ",
                ),
                ("        return await self._paid_at([first, *others])\n\n", "        return paid_at\n\n"),
            )
        },
        plan="faults, settlements",
    ),
    Mutant(
        "a settlement takes the place of the first request",
        {NOTICES: (("self._table.merge(", "self._table.upsert("),)},
        plan="faults, settlements",
    ),
    Mutant(
        "a request forgets the settlement that came before it",
        {LEDGER: (('settled_at=row.values["settled_at"])', "settled_at=None)"),)},
        plan="faults, settlements",
    ),
    Mutant(
        "a row is encrypted again whatever was written meanwhile",
        {SEALED_ROWS: ((".replace(row, {", ".upsert(row.partition, row.key, {"),)},
        plan="faults, rotation",
    ),
    Mutant(
        "a pass that has found something ends the rotation",
        {
            KEY_ROTATION: (("is_clean: bool = False", "is_clean: bool = True"),),
            ROTATE_KEYS: (("save(self.rotation, is_clean=False)", "save(self.rotation, is_clean=True)"),),
        },
        plan="faults, rotation",
    ),
    Mutant(
        "the last pass begins at once",
        {KEY_ROTATION: (("timedelta(minutes=30)", "timedelta(0)"),)},
        plan="faults, rotation",
    ),
    Mutant(
        "the breaker never opens",
        {BREAKERS: (("if failures < limit or self.opened_at:", "if True:"),)},
        plan=OUTAGES,
    ),
    Mutant(
        "the breaker never closes",
        {BREAKERS: (("if tried or (alive and", "if False and (alive and"),)},
        plan=OUTAGES,
    ),
    Mutant(
        "each host has a breaker of its own",
        {
            BREAKERS: (
                (
                    "self._table.get(PARTITION, operation)",
                    "self._table.get(PARTITION, f'{operation}{id(self)}')",
                ),
                (
                    "self._table.write(PARTITION, operation, row, values)",
                    "self._table.write(PARTITION, f'{operation}{id(self)}', row, values)",
                ),
            )
        },
        plan=OUTAGES,
    ),
    Mutant(
        "a right that is missing stops one key only",
        {
            ACCOUNT: (
                (
                    "for one in (key,) if error.reason == WRONG_KEY else self._keys_of(key.service):",
                    "for one in (key,):",
                ),
            )
        },
        plan=OUTAGES,
    ),
)


def mutant(name: str) -> Mutant:
    """The mutant of that name."""
    return next(each for each in MUTANTS if each.name == name)


def install(chosen: Mutant) -> None:
    """Make this process import the mutant instead of the product; before anything of it is imported."""
    loaded = [name for name in chosen.changes if name in sys.modules]
    if loaded:
        raise OutOfDate(f"{loaded} is imported already: install the mutant first")
    sys.meta_path.insert(0, _Finder(chosen))


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, chosen: Mutant) -> None:
        self._changes = chosen.changes

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in self._changes:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.origin is None:
            return None
        loader = _Loader(name, spec.origin, self._changes[name])
        return importlib.util.spec_from_file_location(name, spec.origin, loader=loader)


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, changes: Sequence[tuple[str, str]]) -> None:
        super().__init__(name, path)
        self._changes = changes

    def get_code(self, fullname: str) -> object:  # type: ignore[override]  # never the cached bytecode
        return compile(mutated_source(fullname, self._changes), self.path, "exec")


def mutated_source(module: str, changes: Sequence[tuple[str, str]]) -> str:
    """The source of a module with the words replaced; raises OutOfDate."""
    source = Path(*module.split(".")).with_suffix(".py").read_text()
    for old, new in changes:
        if source.count(old) != 1:
            raise OutOfDate(f"{OutOfDate.__doc__} ({module}: {old!r})")
        source = source.replace(old, new)
    return source
