"""Stand-in for the protobuf messages that the platform injects into azure-functions-runtime.

These plain holders have only the fields that queue, timer and HTTP functions need, with the names of the
platform's FunctionRpc.proto. Response cookies are missing: a function that sets one fails here.
"""

from types import SimpleNamespace
from typing import Any


class TypedData:
    """One value of one kind: TypedData(string="..."), bytes=, json=, int=, double= or http=RpcHttp(...)."""

    def __init__(self, **value: Any) -> None:
        ((self.kind, self.value),) = value.items()

    def __getattr__(self, kind: str) -> Any:
        if kind != self.__dict__.get("kind"):
            raise AttributeError(kind)
        return self.value

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        return self.kind


class ParameterBinding(SimpleNamespace):
    """A named input or output: `name`, `data`."""

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        return "data"


class BindingInfo(SimpleNamespace):
    """A binding's type, direction and data type, with the constants for directions and types."""

    out, inout = 1, 2
    undefined = 0


class StatusResult(SimpleNamespace):
    """The `status` and, on failure, the `exception`."""

    Failure, Success = 0, 1


class RpcException(SimpleNamespace):
    """The `message` and `stack_trace` of a failure."""


class RpcHttp(SimpleNamespace):
    """A request (`method`, `url`, `headers`, `params`, `query`, `body`) or an answer (`status_code`, ...)."""


class WorkerInitResponse(SimpleNamespace):
    """The `result` of the indexing."""


class WorkerMetadata(SimpleNamespace):
    """The worker's description of itself."""


class FunctionMetadataResponse(SimpleNamespace):
    """`function_metadata_results`: one RpcFunctionMetadata for each function."""


class RpcFunctionMetadata(SimpleNamespace):
    """The `function_id`, `name` and `raw_bindings` of a function."""


class RpcRetryOptions(SimpleNamespace):
    """A retry policy. Queue triggers have none, so the host does not read it."""


class InvocationResponse(SimpleNamespace):
    """The `result`, `return_value` and `output_data` of an invocation."""
