"""The settings of what people see and do: command line, API, console."""

import ipaddress
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, SecretStr, model_validator

from consumer.core.roles import ROLES, Role
from consumer.sections import Section

RoleName = Literal["viewer", "content-viewer", "operator", "admin"]


class Token(Section):
    """Somebody, or a program, who may ask, by the name that the audit has; what is kept is the token's hash."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the token, in hexadecimal.")
    role: RoleName = Field(default="viewer", description="What they may do.")
    expires: AwareDatetime | None = Field(default=None, description="From when on it is not taken any more.")

    @property
    def rank(self) -> Role:
        """The role."""
        return ROLES[self.role]


class Admin(Section):
    """What people see and do."""

    mask: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(),
        description="Columns whose values are never shown, as `schema.table.column` of the target's table and the "
        "source's column; `*` stands for any characters, capital letters make no difference. Of a table that has one, "
        "no record is shown as bytes.",
    )
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address that `headrace admin` listens on. Without `admin.tokens` only this machine's own.",
    )
    port: int = Field(default=8470, ge=1, le=65_535, description="Its port.")
    tokens: Annotated[dict[Annotated[str, Field(min_length=1, max_length=100)], Token], Field(max_length=200)] = Field(
        default={},
        description='Who may ask, as [admin.tokens."name"]; `headrace admin token` makes one. Without any, everybody '
        "on this machine is its admin.",
    )
    session_hours: float = Field(
        default=12.0, ge=0.1, le=168, description="Hours after which the console asks for the token again."
    )
    session_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Signs the console's cookies, the same for all processes behind one name. By default one is made "
        "at the start, so that sessions end with the process.",
    )
    sessions: int = Field(
        default=8, ge=1, le=64, description="Most database sessions of `headrace admin` at a time, one a question."
    )
    look_every: float = Field(
        default=5.0, ge=0.5, le=300, description="Seconds between looks at the ends of logs and at connectors."
    )

    @property
    def is_open(self) -> bool:
        """Whether nobody has to say who they are."""
        return not self.tokens

    @model_validator(mode="after")
    def _guarded(self) -> "Admin":
        if self.is_open and not is_loopback(self.host):
            raise ValueError(
                "admin.host is not this machine's own address, and nobody would have to say who they are: "
                "set admin.tokens, or listen on 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _told_apart(self) -> "Admin":
        given = [token.sha256 for token in self.tokens.values()]
        if len(set(given)) < len(given):
            raise ValueError("two of admin.tokens have the same sha256")
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
