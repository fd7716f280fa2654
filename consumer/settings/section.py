"""What all sections of the settings have in common."""

from pydantic import (
    BaseModel,
    ConfigDict,
)


class Section(BaseModel):
    """One section; unknown names are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
