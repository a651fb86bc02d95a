"""What the scripts that a test sends have in common."""

from pydantic import BaseModel, ConfigDict


class Script(BaseModel):
    """A part of the simulated world; an unknown field is a mistake, and no message shows a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ScriptError(Exception):
    """A script that reads well and cannot be carried out; the text says what to change."""
