"""The settings of what people see and do: command line, API, console."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, SecretStr, model_validator

from consumer.core.addresses import is_loopback, is_safe
from consumer.core.roles import ROLES, Role
from consumer.settings.section import Section

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


Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]


class Oidc(Section):
    """An OpenID Connect provider that says who people are, beside tokens or instead of them."""

    issuer: str = Field(
        default="",
        pattern=r"^(https?://[^?#\s]+)?$",
        description="The provider, exactly as it calls itself. Without it none is asked.",
    )
    audience: str = Field(
        default="",
        description="For whom (`aud`) tokens have to be that the API is asked with. Without it none is taken.",
    )
    client_id: str = Field(
        default="", description="Who Headrace is there; without it nobody logs in at the console so."
    )
    client_secret: SecretStr | None = Field(
        default=None,
        description="Its secret, unless it is a public client. Set it in the environment, not in the file.",
    )
    client_secret_file: Path | None = Field(
        default=None, description="Instead of the secret: a file whose first line it is, as a secret that is mounted."
    )
    title: str = Field(default="the provider", min_length=1, max_length=60, description="What people call it.")
    scopes: tuple[str, ...] = Field(default=("openid", "profile", "email"), description="What is asked of it.")
    name_claim: str = Field(
        default="preferred_username",
        min_length=1,
        description="Claim whose value the audit has as a person's name; else `sub`.",
    )
    role_claim: str = Field(
        default="groups",
        min_length=1,
        description="Claim with a person's groups, one text or a list; `a.b` is `b` inside `a`.",
    )
    roles: dict[str, RoleName] = Field(
        default={}, description="What role each group gives; of several the highest. Whoever has none may do nothing."
    )
    algorithms: tuple[Algorithm, ...] = Field(
        default=("RS256", "ES256"), min_length=1, description="How tokens may be signed."
    )
    leeway: float = Field(default=30.0, ge=0, le=300, description="Seconds that the provider's clock may differ.")
    timeout: float = Field(default=10.0, ge=0.5, le=60, description="Seconds that it may take to answer.")
    ca_file: Path | None = Field(
        default=None, description="Certificates in PEM by which its own is checked; by default the system's."
    )

    @model_validator(mode="after")
    def _whole(self) -> "Oidc":
        if not self.issuer:
            return self
        if not is_safe(self.issuer):
            raise ValueError("admin.oidc.issuer must be https: who could change what it says could be anybody")
        if not self.audience and not self.client_id:
            raise ValueError("admin.oidc needs audience, for the API, or client_id, for the console")
        if not self.roles:
            raise ValueError("admin.oidc.roles is empty, so that nobody would have a role")
        if self.client_secret is not None and self.client_secret_file is not None:
            raise ValueError("set either admin.oidc.client_secret or client_secret_file")
        return self


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
        description="Address that `headrace admin` listens on. Without `admin.tokens` or `admin.oidc` only this "
        "machine's own.",
    )
    port: int = Field(default=8470, ge=1, le=65_535, description="Its port.")
    tokens: Annotated[dict[Annotated[str, Field(min_length=1, max_length=100)], Token], Field(max_length=200)] = Field(
        default={},
        description='Who may ask, as [admin.tokens."name"]; `headrace admin token` makes one. Without any, everybody '
        "on this machine is its admin.",
    )
    url: str = Field(
        default="",
        pattern=r"^(https?://[^?#\s]+)?$",
        description="Where people find the console. Needed with admin.oidc.client_id: they are sent back there.",
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
    query_timeout: float = Field(
        default=15.0,
        ge=1,
        le=600,
        description="Seconds after which a statement that API or console asks is given up. After three in a row, "
        "costly questions (letters, jobs, the source) are refused for ten seconds.",
    )
    exports: int = Field(default=2, ge=1, le=16, description="Most exports that are written at a time.")
    export_seconds: float = Field(
        default=600.0, ge=10, le=86_400, description="Seconds after which an export breaks off."
    )
    export_letters: int = Field(
        default=1_000_000, ge=1, le=100_000_000, description="Most letters of one export; of more it is refused."
    )
    look_every: float = Field(
        default=5.0, ge=0.5, le=300, description="Seconds between looks at the ends of logs and at connectors."
    )

    guide: bool = Field(
        default=False, description="Whether the console leads people through a first dead letter, as in the demo."
    )
    oidc: Oidc = Oidc()

    @property
    def is_open(self) -> bool:
        """Whether nobody has to say who they are."""
        return not self.tokens and not self.oidc.issuer

    @model_validator(mode="after")
    def _guarded(self) -> "Admin":
        if self.is_open and not is_loopback(self.host):
            raise ValueError(
                "admin.host is not this machine's own address, and nobody would have to say who they are: "
                "set admin.tokens or admin.oidc, or listen on 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _found_again(self) -> "Admin":
        if self.oidc.issuer and self.oidc.client_id and not (self.url and is_safe(self.url)):
            raise ValueError("admin.url is required by admin.oidc.client_id, and has to be https")
        return self

    @model_validator(mode="after")
    def _told_apart(self) -> "Admin":
        given = [token.sha256 for token in self.tokens.values()]
        if len(set(given)) < len(given):
            raise ValueError("two of admin.tokens have the same sha256")
        return self
