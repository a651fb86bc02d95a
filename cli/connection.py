"""The way from the environment to what the storage account keeps, open as long as one command."""

import asyncio
import getpass
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import settings
from cli.printing import WRONG, give_up, tell
from contract.reminders import ReminderPolicy
from io_api import rate_limiter
from io_api.breakers import Breakers
from io_api.rate_limiter import RateLimiter
from io_api.suspension_store import SuspensionStore
from io_api.suspensions import Key, named_keys
from settings import RateLimit, Settings, SettingsError, Thresholds
from storage import audit, campaigns, due_index, key_checks, ledger, parked
from storage.account import StorageAccount
from storage.audit import Audit
from storage.campaigns import Campaigns
from storage.cipher import Cipher, Undecipherable
from storage.dispatcher import Dispatcher
from storage.due_index import DueIndex
from storage.key_checks import KeyChecks
from storage.ledger import Ledger
from storage.outcomes import Outcomes
from storage.parked import Parked
from storage.queues import Queues
from storage.readiness import Readiness
from storage.table import Unanswered

# The clients sit out an outage of a minute, and a scan of the ledger can take longer.
NOTICE_SECONDS = 10


@dataclass(frozen=True)
class Stores:
    """What a command may ask or change."""

    ledger: Ledger
    parked: Parked
    queues: Queues
    due_index: DueIndex
    reminder_index: DueIndex
    dispatcher: Dispatcher
    audit: Audit
    campaigns: Campaigns
    suspensions: SuspensionStore
    breakers: Breakers
    rate_limiter: RateLimiter
    keys: Mapping[str, tuple[Key, ...]]
    limit: RateLimit
    policies: Mapping[str, ReminderPolicy]
    thresholds: Thresholds
    readiness: Readiness
    key_checks: KeyChecks


def clock() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def ask[Answer](question: Callable[[Stores], Awaitable[Answer]]) -> Answer:
    """The answer of the stores; a setting or a storage account that prevents it ends the command."""
    try:
        return asyncio.run(_answer(question))
    except SettingsError as error:
        give_up(WRONG, "Impostazioni da correggere:", *str(error).splitlines())
    except Unanswered as error:
        give_up(
            WRONG,
            "Lo storage account non risponde o rifiuta l'accesso: controlla la rete, AzureWebJobsStorage e "
            "i permessi, cioè i ruoli Storage Table e Queue Data Contributor "
            f"({type(error.__context__).__name__}).",
        )
    except Undecipherable:
        give_up(
            WRONG,
            "Nessuna chiave di ENCRYPTION_KEYS apre questo messaggio: "
            "rimetti in fondo all'elenco quella con cui era stato cifrato.",
        )


async def _answer[Answer](question: Callable[[Stores], Awaitable[Answer]]) -> Answer:
    configured = settings.load()
    cipher = Cipher(configured.encryption_keys)
    account = _account(configured)
    loop = asyncio.get_running_loop()
    notice = loop.call_later(
        NOTICE_SECONDS, tell, "Lo storage account non ha ancora risposto a tutto: attendo."
    )
    try:
        return await question(_stores(account, cipher, configured))
    finally:
        notice.cancel()
        await account.aclose()


def _stores(account: StorageAccount, cipher: Cipher, configured: Settings) -> Stores:
    queues = account.queues()
    due = DueIndex(account.table(due_index.TABLE), clock)
    to_remind = DueIndex(account.table(due_index.REMINDERS_TABLE), clock)
    shared = account.table(rate_limiter.TABLE)
    return Stores(
        Ledger(account.table(ledger.TABLE), cipher, clock),
        Parked(account.table(parked.TABLE), cipher),
        queues,
        due,
        to_remind,
        Dispatcher(queues, due, to_remind, Outcomes(queues), clock),
        Audit(account.table(audit.TABLE), f"{getpass.getuser()}@{socket.gethostname()}", clock),
        Campaigns(account.table(campaigns.TABLE), clock),
        SuspensionStore(shared, clock),
        Breakers(shared, clock),
        RateLimiter(shared, configured.io_rate_limit),
        {name: named_keys(name, one.key, one.secondary_key) for name, one in configured.services.items()},
        configured.io_rate_limit,
        configured.reminder_policies,
        configured.doctor_thresholds,
        Readiness.of(account, cipher, rate_limiter.TABLE),
        KeyChecks(account.table(key_checks.TABLE), cipher),
    )


def _account(configured: Settings) -> StorageAccount:
    try:
        return StorageAccount(configured)
    except ValueError as error:
        raise SettingsError(f"AzureWebJobsStorage: {error}") from None
