"""The reasons for which the host does not start.

HostError
├── ConfigurationError   host.json or an app setting is wrong: correct it
├── AppError             function_app.py did not load: correct the app
└── StartError           storage or the port is not available: start or free it
"""


class HostError(Exception):
    """The host cannot start; the message says what to do."""

    exit_code = 1


class ConfigurationError(HostError):
    """host.json or an app setting is wrong."""

    exit_code = 2


class AppError(HostError):
    """The app failed to load; `stack_trace` is the runtime's."""

    def __init__(self, message: str, stack_trace: str = "") -> None:
        super().__init__(message)
        self.stack_trace = stack_trace


class StartError(HostError):
    """A resource that the host needs at its start is missing."""
