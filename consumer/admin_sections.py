"""The settings of what people see and do: command line, API, console."""

from typing import Annotated

from pydantic import Field

from consumer.sections import Section


class Admin(Section):
    """What people see and do."""

    mask: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(),
        description="Columns whose values are never shown, as `schema.table.column` of the target's table and the "
        "source's column; `*` stands for any characters, capital letters make no difference. Of a table that has one, "
        "no record is shown as bytes.",
    )
