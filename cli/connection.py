"""Connects a command to the storage account that the environment names, until the command ends."""

import asyncio
import getpass
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import NoReturn

import settings
from cli.printing import WRONG, fail, print_note
from cli.settings_it import setting_in_italian
from contract.reminders import ReminderPolicy
from io_api import rate_limiter
from io_api.account import IoAccount
from io_api.breakers import Breakers
from io_api.rate_limiter import RateLimiter
from io_api.suspension_store import SuspensionStore
from io_api.suspensions import Key, named_keys
from settings import RateLimit, Settings, SettingsError, Thresholds
from storage import audit, campaign_secrets, campaign_spreads, counters, key_checks
from storage.account import StorageAccount
from storage.audit import Audit
from storage.campaign_secrets import CampaignSecrets
from storage.campaign_spreads import CampaignSpreads
from storage.cipher import Cipher, NoIndexKey, Undecipherable
from storage.documents import Documents
from storage.index_key import IndexKey
from storage.readiness import Readiness
from storage.stores import Stores
from storage.table import Unanswered

# The clients wait out an outage of a minute, and a scan of the ledger can take longer.
NOTICE_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Operator(Stores):
    """The stores that a command may read or change, and the parts that only operators need.

    `documents` imports the blob client, which takes half a second, and `io` reads certificates, so only some
    commands call them.
    """

    audit: Audit
    suspensions: SuspensionStore
    breakers: Breakers
    rate_limiter: RateLimiter
    keys: Mapping[str, tuple[Key, ...]]
    limit: RateLimit
    policies: Mapping[str, ReminderPolicy]
    thresholds: Thresholds
    readiness: Readiness
    index_key: IndexKey
    campaign_secrets: CampaignSecrets
    campaign_spreads: CampaignSpreads
    configured: Settings
    documents: Callable[[], Documents]
    io: Callable[[], IoAccount]


def clock() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def configured() -> Settings:
    """Return the settings. A wrong setting ends the command."""
    try:
        return settings.load()
    except SettingsError as error:
        _refuse_settings(error)


def ask[Answer](question: Callable[[Operator], Awaitable[Answer]], *, is_long: bool = False) -> Answer:
    """Return the answer to `question`. A wrong setting, key or storage account ends the command.

    is_long: the question itself takes longer than NOTICE_SECONDS, and shows its progress.
    """
    try:
        return asyncio.run(_answer(question, is_long=is_long))
    except SettingsError as error:
        _refuse_settings(error)
    except Unanswered as error:
        fail(WRONG, no_storage(error.status))
    except Undecipherable:
        fail(
            WRONG,
            "Nessuna chiave di ENCRYPTION_KEYS apre questo messaggio: "
            "rimetti in fondo all'elenco quella con cui era stato cifrato.",
        )
    except NoIndexKey:
        fail(
            WRONG,
            "Manca la chiave degli indici, senza la quale non si trova una persona né un avviso: la prepara "
            "l'app quando parte. Se è già partita, `postino doctor` dice quale chiave manca.",
        )


def no_storage(status: int | None) -> str:
    """Return what to do about a storage account that refuses, or gives no answer (None)."""
    if status is None:
        return (
            "Lo storage account non risponde: controlla la rete e l'indirizzo in AzureWebJobsStorage, "
            "poi ripeti il comando."
        )
    return (
        f"Lo storage account rifiuta l'accesso (HTTP {status}): controlla la chiave in AzureWebJobsStorage "
        "o, con un'identità, i ruoli Storage Table Data Contributor e Storage Queue Data Contributor."
    )


def _refuse_settings(error: SettingsError) -> NoReturn:
    fail(
        WRONG,
        "Impostazioni da correggere (si leggono dall'ambiente, come dice `postino --help`):",
        *map(setting_in_italian, str(error).splitlines()),
    )


async def _answer[Answer](question: Callable[[Operator], Awaitable[Answer]], *, is_long: bool) -> Answer:
    configured = settings.load()
    cipher = Cipher(configured.encryption_keys)
    account = _account(configured)
    loop = asyncio.get_running_loop()
    notice = loop.call_later(
        NOTICE_SECONDS, print_note, "Lo storage account non ha ancora risposto a tutto: attendo."
    )
    if is_long:
        notice.cancel()
    stores = _stores(account, cipher, configured)
    try:
        with suppress(Undecipherable):  # `doctor` names the key; what needs the index key raises NoIndexKey
            await stores.index_key.read()
        return await question(stores)
    finally:
        await stores.counters.close()
        notice.cancel()
        await account.aclose()


def _stores(account: StorageAccount, cipher: Cipher, configured: Settings) -> Operator:
    shared = account.table(rate_limiter.TABLE)
    return Operator.on(
        account.table,
        account.queues(),
        cipher,
        clock,
        periods=configured.periods,
        audit=Audit(account.table(audit.TABLE), f"{getpass.getuser()}@{socket.gethostname()}", clock),
        suspensions=SuspensionStore(shared, clock),
        breakers=Breakers(shared, clock),
        rate_limiter=RateLimiter(shared, configured.io_rate_limit),
        keys={
            name: named_keys(name, one.key, one.secondary_key) for name, one in configured.services.items()
        },
        limit=configured.io_rate_limit,
        policies=configured.reminder_policies,
        thresholds=configured.doctor_thresholds,
        readiness=Readiness.of(account, cipher, rate_limiter.TABLE, counters.TABLE),
        index_key=IndexKey(account.table(key_checks.TABLE), cipher, []),
        campaign_secrets=CampaignSecrets(account.table(campaign_secrets.TABLE), cipher),
        campaign_spreads=CampaignSpreads(account.table(campaign_spreads.TABLE)),
        configured=configured,
        documents=account.documents,
        io=partial(IoAccount.of, configured, shared, clock, shares_failures=False),
    )


def _account(configured: Settings) -> StorageAccount:
    try:
        return StorageAccount(configured)
    except ValueError:
        raise SettingsError(
            "AzureWebJobsStorage: non è una stringa di connessione completa: copiala dal portale di Azure"
        ) from None
