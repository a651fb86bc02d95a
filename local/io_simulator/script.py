"""The base of the scripts that a test sends."""

from pydantic import BaseModel, ConfigDict


class Script(BaseModel):
    """A part of the simulated world. An unknown field is an error, and no error message shows a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ScriptError(Exception):
    """The script is valid but cannot be carried out; the message says what to change."""
