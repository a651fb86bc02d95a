"""Bulk actions of an operator: shown first, done on `--execute`, each change recorded in the audit."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from cli.connection import Operator, ask
from cli.printing import NOT_FOUND, fail, print_json, print_note, print_table
from cli.selection import Change
from report.italian import number
from report.meanings import RESULTS, STATES, named

WOULD = "would"


def run_bulk_action[Target](
    action: str,
    find: Callable[[Operator], Awaitable[Mapping[str, Target]]],
    act: Callable[[Operator, Target], Awaitable[str]],
    change: Change,
) -> None:
    """Apply `act` to each target that `find` returns by id; `act` returns its result as a word.

    The audit records each act before it is done. After an interruption the operator repeats the command:
    `find` no longer returns the finished targets, or repeating them does no harm.
    """

    async def work(stores: Operator) -> dict[str, str]:
        targets = dict(list((await find(stores)).items())[: change.at_most])
        if not change.execute:
            return dict.fromkeys(targets, WOULD)
        return await _do(stores, action, targets, act, change.rate)

    results = ask(work)
    if change.as_json:
        print_json({"action": action, "executed": change.execute, "results": results})
    else:
        _print_for_people(results, execute=change.execute)
    if not results:
        fail(NOT_FOUND, "Non corrisponde niente: controlla gli id e i filtri.")


async def _do[Target](
    stores: Operator,
    action: str,
    targets: Mapping[str, Target],
    act: Callable[[Operator, Target], Awaitable[str]],
    rate: float,
) -> dict[str, str]:
    results: dict[str, str] = {}
    for name, target in targets.items():
        await stores.audit.record(action, name)
        results[name] = await act(stores, target)
        if len(results) % 100 == 0:
            print_note(f"{number(len(results))} di {number(len(targets))}")
        if len(results) < len(targets):
            await asyncio.sleep(1 / rate)
    return results


def _print_for_people(results: Mapping[str, str], *, execute: bool) -> None:
    if execute:
        print_table(("id", "che cosa è successo"), ((name, _meaning(one)) for name, one in results.items()))
        counts = Counter(results.values())
        done = "; ".join(f"{_meaning(result)}: {number(count)}" for result, count in counts.items())
        if results:
            print_note(f"Fatto, {done}.")
    elif results:
        print_table(("id",), ([name] for name in results))
        found = number(len(results))
        print_note(f"Prova, nessuna modifica. In tutto: {found}. Ripeti con --execute per farlo davvero.")


def _meaning(result: str) -> str:
    return RESULTS.get(result) or str(named(STATES, result))
