"""The values that the shell completes with the Tab key. Nothing here asks the storage account."""

import settings
from cli.rules_it import FILE_RULES, WARNINGS
from report.meanings import QUEUES, REASONS
from settings import SettingsError

type Completions = list[tuple[str, str]]


def reasons() -> Completions:
    """Return the reasons for which messages are parked, each with its meaning."""
    return list(REASONS.items())


def queues() -> Completions:
    """Return the queues, each with its meaning."""
    return list(QUEUES.items())


def services() -> list[str]:
    """Return the names of the configured services; none while the settings are wrong."""
    try:
        return sorted(settings.load().services)
    except SettingsError:
        return []


def warnings() -> Completions:
    """Return the codes of the warnings that an operator may accept, each with its sentence."""
    return [(code, FILE_RULES[code].sentence) for code in WARNINGS]
