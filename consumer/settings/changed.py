"""What of the settings is another way than before, and whether a process can go on with that without a restart.

The sections of tables and topics, which topics are read, and what is masked may change while it runs. Where anything
else has changed, nothing is taken.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from consumer.core import renames
from consumer.core.failure import Refused, failed
from consumer.core.kinds import KINDS
from consumer.core.naming import is_whole
from consumer.settings.loading import Settings

# settings beside the sections of tables and topics
_TAKEN = frozenset({("kafka", "topics"), ("admin", "mask")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Settings that are to hold from now on, and what differs from those before.

    `tables`: target tables whose policy was added, removed or changed. `topics`: topics of which that is so. `renamed`:
    topics whose target table has another name, with that. `read`, `unread`: what kafka.topics has got, and has no more.
    `mask`: whether other columns are hidden than before.
    """

    settings: Settings
    tables: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    read: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    mask: bool = False

    @property
    def words(self) -> str:
        """What differs, for people."""
        parts = [
            _named("tables", self.tables),
            _named("topics", self.topics),
            renames.said(tuple(self.renamed.values())),
            _named("topics that are read now", self.read),
            _named("topics that are read no more", self.unread),
            _named("columns that are hidden", ("admin.mask",) if self.mask else ()),
        ]
        return "; ".join(part for part in parts if part) or "nothing has changed"


def compared(old: Settings, new: Settings, rewritten: Collection[str] = ()) -> Changed:
    """What differs. Raises Refused, with all names, for what a process that runs can't take.

    `rewritten`: topics whose contract says something else, in a file of the same name.
    """
    fixed = [*_fixed(old, new), *_fixed_of_topics(old, new)]
    if fixed:
        raise _refused(fixed)
    before, now = set(old.kafka.topics), set(new.kafka.topics)
    topics = differing(old.topics, new.topics)
    named = {name: new.topics[name].table for name in topics if name in new.topics}
    return Changed(
        settings=new,
        tables=differing(old.tables, new.tables),
        topics=tuple(sorted({*topics, *rewritten})),
        renamed={name: table for name, table in named.items() if table and table != _table(old, name)},
        read=tuple(sorted(now - before)),
        unread=tuple(sorted(before - now)),
        mask=old.admin.mask != new.admin.mask,
    )


def _named(what: str, names: tuple[str, ...]) -> str:
    return f"{what}: {', '.join(names)}" if names else ""


def _fixed(old: Settings, new: Settings) -> Iterator[str]:
    for section in Settings.model_fields:
        if section in ("tables", "topics"):
            continue
        before, now = getattr(old, section), getattr(new, section)
        yield from (
            f"{section}.{name}"
            for name in type(before).model_fields
            if (section, name) not in _TAKEN and getattr(before, name) != getattr(now, name)
        )


def _fixed_of_topics(old: Settings, new: Settings) -> Iterator[str]:
    """Of topics that are read: where their ids are, and a name that says not which table it is."""
    for name in differing(old.topics, new.topics):
        before, now = old.topics.get(name), new.topics.get(name)
        if (before and before.schema_ids) != (now and now.schema_ids):
            yield f'topics."{name}".schema_ids'
        table = now.table if now else None
        if table != (before.table if before else None) and not (table and is_whole(table)):
            yield f'topics."{name}".table (only another whole name can be taken, as schema.table)'


def differing(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[str, ...]:
    """The names under which both do not have the same."""
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))


def _table(settings: Settings, topic: str) -> str | None:
    return settings.topics[topic].table if topic in settings.topics else None


def _refused(fixed: list[str]) -> Refused:
    detail = f"these settings can't be changed while it runs: {', '.join(fixed)}; nothing was changed"
    remedy = "Put them back and have the settings read again, or restart for them."
    return Refused(failed(KINDS["worker.settings"], "settings", "read again", detail, remedy=remedy))
