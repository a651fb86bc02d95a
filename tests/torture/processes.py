"""Worker processes that run scenarios of the product or of one of its mutants."""

import logging
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import TYPE_CHECKING

from tests.torture.mutants import OUTAGES, install, mutant

if TYPE_CHECKING:
    from tests.torture.campaign import Tally

CHUNK = 100
SMALL_CHUNKS = {OUTAGES: 1}  # each schedule simulates an hour of many messages


def prepare(mutant_name: str | None) -> None:
    """Make a worker process run the product, or a mutant of it, without logs."""
    logging.disable(logging.CRITICAL)
    if mutant_name:
        install(mutant(mutant_name))


def chunk(plan: str, first_seed: int) -> "Tally":
    """Run one chunk in a worker process, which imports the product after `prepare`."""
    from tests.torture.campaign import run

    return run(plan, first_seed, SMALL_CHUNKS.get(plan, CHUNK))


def tallies(plan: str, mutant_name: str | None = None) -> Iterator["Tally"]:
    """Yield one tally for each chunk, from as many processes as there are cores, until the caller stops."""
    cores = os.cpu_count() or 1
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=spawn, initializer=prepare, initargs=(mutant_name,)) as pool:
        seed = 0
        running: set[Future[Tally]] = set()
        try:
            while True:
                while len(running) < cores + 1:
                    running.add(pool.submit(chunk, plan, seed))
                    seed += SMALL_CHUNKS.get(plan, CHUNK)
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)
