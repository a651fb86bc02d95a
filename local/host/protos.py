"""Stand-in for the protobuf messages that the platform injects into azure-functions-runtime.

Only what queue, timer and HTTP functions need: plain holders with the field names of the platform's
FunctionRpc.proto. Response cookies are not among them: a function that sets one fails here.
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
    """A named value going in or coming out: `name`, `data`."""

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        return "data"


class BindingInfo(SimpleNamespace):
    """A binding's type, direction and data type, with the values of the directions and types."""

    out, inout = 1, 2
    undefined = 0


class StatusResult(SimpleNamespace):
    """`status` and, on failure, `exception`."""

    Failure, Success = 0, 1


class RpcException(SimpleNamespace):
    """`message` and `stack_trace`."""


class RpcHttp(SimpleNamespace):
    """A request (`method`, `url`, `headers`, `params`, `query`, `body`) or an answer (`status_code`, ...)."""


class WorkerInitResponse(SimpleNamespace):
    """`result` of the indexing."""


class WorkerMetadata(SimpleNamespace):
    """What the worker says of itself."""


class FunctionMetadataResponse(SimpleNamespace):
    """`function_metadata_results`: one RpcFunctionMetadata for each function."""


class RpcFunctionMetadata(SimpleNamespace):
    """`function_id`, `name` and `raw_bindings` of a function."""


class RpcRetryOptions(SimpleNamespace):
    """A retry policy; queue triggers have none, so the host does not read it."""


class InvocationResponse(SimpleNamespace):
    """`result`, `return_value` and `output_data` of an invocation."""
