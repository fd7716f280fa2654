"""The settings: `headrace.toml`, overridden by `HEADRACE_<SECTION>__<KEY>`, all mistakes reported together."""

import json
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from consumer.core.failure import Refused, failed
from consumer.core.kinds import KINDS
from consumer.core.lane import BadTopic, Lane
from consumer.core.sizer import BadSize, BatchSizer
from consumer.settings.admin import Admin
from consumer.settings.alerts import Alerts
from consumer.settings.kafka import Connect, Kafka, Registry, Source
from consumer.settings.letters import Imports, Letters, Retry
from consumer.settings.reconcile import Reconcile
from consumer.settings.tables import Table, Topic
from consumer.settings.target import Batch, Breaker, Evolution, Priorities, Target
from consumer.settings.telemetry import Telemetry, Trace
from consumer.settings.waits import complaints
from consumer.settings.worker import Control, Healing, Ledger, Log, Secrets, Worker

DEFAULT_FILE = Path("headrace.toml")

# beside secrets, which are never written out: what people put passwords into
HIDDEN = (
    "target.dsn",
    "source.dsn",
    "kafka.client",
    "registry.url",
    "registry.apicurio_url",
    "connect.url",
    "trace.endpoint",
    "admin.tokens",
)


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix="HEADRACE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        nested_model_default_partial_update=True,
    )

    kafka: Kafka
    registry: Registry
    source: Source = Source()
    target: Target
    breaker: Breaker = Breaker()
    retry: Retry = Retry()
    evolution: Evolution = Evolution()
    batch: Batch = Batch()
    priorities: Priorities = Priorities()
    letters: Letters = Letters()
    imports: Imports = Imports()
    worker: Worker = Field(default_factory=Worker)
    connect: Connect = Connect()
    ledger: Ledger = Ledger()
    control: Control = Control()
    healing: Healing = Healing()
    secrets: Secrets = Secrets()
    log: Log = Log()
    admin: Admin = Admin()
    telemetry: Telemetry = Telemetry()
    reconcile: Reconcile = Reconcile()
    trace: Trace = Trace()
    alerts: Alerts = Alerts()
    topics: dict[str, Topic] = Field(
        default={},
        description="Where the changes of a topic go, what it has to keep to, and where its schema ids are, as "
        '[topics."name"].',
    )
    tables: dict[str, Table] = Field(default={}, description='Policy by target table, as [tables."schema.table"].')

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        """All mistakes together, a line each."""
        found = [*complaints(self), *self._of_sizes(), *self._of_tables(), *self._of_letters()]
        if found:
            raise ValueError("\n".join(found))
        return self

    def _of_tables(self) -> Iterator[str]:
        for name in self.tables:
            schema, _, table = name.partition(".")
            if not (schema and table) or "\0" in name:
                # a policy that nobody finds would let pass what it forbids
                yield f'tables.{name!r}: a table is named with its schema, as [tables."public.orders"]'
        hashed = [f"{n}.{c}" for n, table in self.tables.items() for c, each in table.columns.items() if each.hash]
        if hashed and self.secrets.hash_key is None:
            yield f"secrets.hash_key is required by hash of {hashed[0]}"

    def _of_sizes(self) -> Iterator[str]:
        try:
            _ = self.sizer
        except BadSize as error:
            yield str(error)
        most = self.batch.max_rows * self.batch.growth
        if self.target.max_moved_rows < most:
            yield (
                f"target.max_moved_rows must be at least batch.max_rows * batch.growth ({most}), or a batch of key "
                "changes never fits"
            )

    def _of_letters(self) -> Iterator[str]:
        try:
            lane = self.lane
        except BadTopic as error:
            yield f"letters.retry_topic and letters.dead_topic: {error}"
            return
        for name, topics in (("kafka", self.kafka.topics), ("imports", self.imports.topics)):
            if any(lane.holds(topic) for topic in topics):
                yield f"{name}.topics names a topic of the group's own letters (letters.retry_topic, dead_topic)"
        if any(re.match(dead, topic) for dead in self.imports.expressions for topic in self.kafka.topics):
            yield "imports.topics names one of kafka.topics: what is read as a source is no dead-letter topic"

    @property
    def sizer(self) -> BatchSizer:
        """How many records batches have. Raises BadSize."""
        batch, deadline = self.batch, self.target.batch_deadline
        return BatchSizer(
            rows=batch.max_rows,
            growth=batch.growth,
            least=batch.min_rows,
            target_seconds=deadline / 3 if batch.target_seconds is None else batch.target_seconds,
            deadline=deadline,
        )

    @property
    def lane(self) -> Lane:
        """The topics of the group's letters."""
        return Lane(group=self.kafka.group, retry=self.letters.retry_topic, dead=self.letters.dead_topic)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = settings_cls.model_config.get("toml_file")
        return (env_settings, TomlConfigSettingsSource(settings_cls, file), init_settings)


def load(file: Path | None = None, kept: Path | None = None) -> Settings:
    """Settings from the file (the default one may be missing) and the environment. Raises Refused.

    `kept`: what was in the file when it was taken last, read in its place.
    """
    chosen = kept or file or DEFAULT_FILE
    if kept is None and file is not None and not file.is_file():
        why = "is a directory" if file.is_dir() else "does not exist"
        raise _refused(f"the settings file {file} {why}", "Name an existing file with --config.")

    class Loaded(Settings):
        model_config = SettingsConfigDict(toml_file=chosen if chosen.is_file() else None)

    try:
        return Loaded()  # type: ignore[call-arg]
    except ValidationError as error:
        lines = mistakes(error)
        count = len(lines)
        listed = "\n".join(f"  {line}" for line in lines)
        said = f"the settings have {count} mistake{'s' if count > 1 else ''}:\n{listed}\n"
        none = "" if chosen.is_file() else f"There is no {chosen} here: write one, or name it with --config. "
        raise _refused(said, f"{none}Correct {'them all' if count > 1 else 'it'}.") from error
    except SettingsError as error:
        # its cause holds the value
        raise _unparsed(str(error)) from None
    except tomllib.TOMLDecodeError as error:
        raise _refused(f"{file or DEFAULT_FILE} is not TOML: {error}", "Correct its syntax.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(file or DEFAULT_FILE, error) from error


def _unparsed(said: str) -> Refused:
    """A variable that has to be JSON, and is none. `said`: what pydantic says, which names the section alone."""
    found = re.search(r'field "(\w+)"', said)
    if found is None:
        return _refused(said, "Write the value as JSON, or plainly.")
    section = found[1]
    whole = variable(section)
    named = sorted(name for name in os.environ if name.upper() == whole or name.upper().startswith(f"{whole}__"))
    bad = [name for name in named if not _is_json(os.environ[name]) and (name.upper() == whole or _opens(name))]
    needed = " and ".join(variable(path) for path in _required(section))
    return _refused(
        f"no JSON, which a list, a table or a whole section has to be: {', '.join(bad or named) or whole}",
        f"Correct it; or give each setting a variable of its own{f', as {needed}' if needed else ''}.",
    )


def _opens(name: str) -> bool:
    return os.environ[name].lstrip()[:1] in ("[", "{")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _required(path: str) -> list[str]:
    """The settings that a section has to have; of what is no section, itself."""
    field = Settings.model_fields.get(path)
    kind = field.annotation if field else None
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return [path]
    return [f"{path}.{name}" for name, inner in kind.model_fields.items() if inner.is_required()]


def unreadable(file: Path, error: OSError | UnicodeDecodeError) -> Refused:
    """A settings file that is there and can't be read as text."""
    return _refused(
        f"the settings file {file} can't be read ({type(error).__name__})", "Make it a readable UTF-8 text."
    )


def shown_settings(settings: Settings) -> dict[str, Any]:
    """The settings for people, by section, without what is secret or may hold it."""
    found = settings.model_dump(mode="json")
    for path in HIDDEN:
        section, name = path.split(".")
        if found[section][name]:
            found[section][name] = "(not shown)"
    return found


def mistakes(error: ValidationError) -> list[str]:
    """One line a mistake: the setting's name, what is wrong or allowed, and where to set it. Never the value."""
    lines = []
    for item in error.errors(include_input=False, include_url=False):
        path = ".".join(str(part) for part in item["loc"])
        if item["type"] == "missing" and (inside := _required(path)) != [path]:
            lines += [f"{one}: is required (set it in headrace.toml or as {variable(one)})" for one in inside]
            continue
        where = f"{path}: " if path else ""
        # sections by name have no variable for each of their settings
        named = path.split(".")[0] in ("tables", "topics") or path.startswith("admin.tokens.")
        where_to = "in headrace.toml" if named else f"in headrace.toml or as {variable(path)}"
        there = f" (set it {where_to})" if path else ""
        # what settings must hold together comes as one error, with a line for each relation
        each = _complaint(item).split("\n") if not path else [_complaint(item)]
        lines += [f"{where}{complaint}{there}" for complaint in each]
    return lines


def variable(path: str) -> str:
    """The environment variable of a setting."""
    return "HEADRACE_" + path.upper().replace(".", "__")


def _complaint(item: Any) -> str:
    if item["type"] == "missing":
        return "is required"
    if item["type"] == "extra_forbidden":
        return "is not a setting; look for a typing mistake"
    return str(item["msg"]).removeprefix("Value error, ")


def _refused(detail: str, remedy: str) -> Refused:
    return Refused(failed(KINDS["worker.settings"], "settings", "load", detail, remedy=remedy))
