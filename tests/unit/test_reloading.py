"""Settings read again while it runs: what is taken, what is refused, and that nothing is changed then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import lists, sampled_from
from structlog.testing import capture_logs

from consumer.composition.reloading import AGAIN, Reloading
from consumer.core.failure import Refused, Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.renames import brought
from consumer.settings.changed import Changed, compared
from consumer.settings.kept import KeptFile, path_of
from consumer.settings.loading import Settings, load

BASE = """
[kafka]
bootstrap_servers = "here:1"
group = "g"
topics = ["orders", "users"]
[registry]
url = "http://here:2"
[target]
dsn = "host=here"
[topics."orders"]
table = "public.orders"
[tables."public.orders"]
strict = true
"""


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Reads settings: those of the base, with texts replaced by others."""
    monkeypatch.delenv("HEADRACE_TARGET__DSN", raising=False)

    def made(*pairs: tuple[str, str]) -> Settings:
        text = BASE
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "headrace.toml").write_text(text)
        return load(tmp_path / "headrace.toml")

    return made


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param([("strict = true", "strict = false")], {"tables": ("public.orders",)}, id="a policy"),
        pytest.param(
            [('[tables."public.orders"]\nstrict = true', '[tables."public.users"]\nstrict = true')],
            {"tables": ("public.orders", "public.users")},
            id="one added and one removed",
        ),
        pytest.param(
            [('"orders", "users"', '"orders", "items"')], {"read": ("items",), "unread": ("users",)}, id="topics"
        ),
        pytest.param(
            [('table = "public.orders"', 'table = "sales.orders"')],
            {"topics": ("orders",), "renamed": {"orders": "sales.orders"}},
            id="another name",
        ),
        pytest.param(
            [('[topics."orders"]', '[topics."users"]\ntable = "public.people"\n[topics."orders"]')],
            {"topics": ("users",), "renamed": {"users": "public.people"}},
            id="a name",
        ),
        pytest.param(
            [("[registry]", '[admin]\nmask = ["public.orders.email"]\n[registry]')], {"mask": True}, id="what is hidden"
        ),
    ],
)
def test_what_is_said_of_tables_and_topics_may_change(
    read: Callable[..., Settings], pairs: list[tuple[str, str]], expected: dict[str, Any]
) -> None:
    """And which topics are read."""
    new = read(*pairs)
    assert compared(read(), new) == Changed(settings=new, **expected)


@pytest.mark.parametrize(
    ("pairs", "name"),
    [
        ([('dsn = "host=here"', 'dsn = "host=there"')], "target.dsn"),
        ([('group = "g"', 'group = "h"')], "kafka.group"),
        ([("[tables", "[batch]\nmax_rows = 9\n[tables"), ("strict = true", "strict = false")], "batch.max_rows"),
        ([('table = "public.orders"', 'schema_ids = "headers"')], 'topics."orders".schema_ids'),
        ([('table = "public.orders"', 'table = "public.{table}"')], 'topics."orders".table'),
        ([('[topics."orders"]\ntable = "public.orders"', "")], 'topics."orders".table'),
    ],
)
def test_what_can_not_change_while_it_runs_is_named(
    read: Callable[..., Settings], pairs: list[tuple[str, str]], name: str
) -> None:
    """Without its value, and whatever else may."""
    with pytest.raises(Refused) as refused:
        compared(read(), read(*pairs))
    assert name in refused.value.failure.detail
    assert "there" not in refused.value.failure.detail


def test_several_that_can_not_change_are_named_together(read: Callable[..., Settings]) -> None:
    """In one message."""
    with pytest.raises(Refused, match=r"kafka\.group, target\.dsn"):
        compared(read(), read(('group = "g"', 'group = "h"'), ('"host=here"', '"host=there"')))


class Scene:
    """A process whose file a test writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(BASE)
        self.used: list[Changed] = []
        self.reloading = Reloading(load(path), lambda: load(path))
        self.reloading.use = self.used.append


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A process that has read its settings."""
    return Scene(tmp_path / "headrace.toml")


def test_a_signal_has_them_read_once(scene: Scene) -> None:
    """What is taken holds from then on."""
    scene.reloading.turn()
    scene.path.write_text(BASE.replace("strict = true", "strict = false"))
    scene.reloading.asked.set()
    scene.reloading.turn()
    scene.reloading.turn()
    assert [changed.tables for changed in scene.used] == [("public.orders",)]
    assert not scene.reloading.settings.tables["public.orders"].strict
    assert scene.reloading.reload() == "nothing has changed"
    assert len(scene.used) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[kafka\n", "is not TOML"),
        (BASE.replace("strict = true", 'strict = "perhaps"'), "have 1 mistake"),
        (BASE.replace("host=here", "host=there"), "target.dsn"),
        (None, "does not exist"),
    ],
)
def test_what_can_not_be_taken_changes_nothing(scene: Scene, text: str | None, why: str) -> None:
    """It is told with what to do, and the next reading is compared with what is in force."""
    before = scene.reloading.settings
    scene.path.unlink() if text is None else scene.path.write_text(text)
    with capture_logs() as logs:
        outcome = scene.reloading.reload()
    assert outcome.startswith("refused: ")
    assert why in outcome
    assert (scene.used, scene.reloading.settings is before) == ([], True)
    assert [(entry["event"], bool(entry["remedy"])) for entry in logs] == [
        ("settings are not taken; those of before go on", True)
    ]
    scene.path.write_text(BASE)
    assert scene.reloading.reload() == "nothing has changed"


def test_a_file_that_is_no_text_changes_nothing(scene: Scene) -> None:
    """Nor does it end anybody."""
    scene.path.write_bytes(b"\xff\xfe")
    assert "can't be read (UnicodeDecodeError)" in scene.reloading.reload()
    assert scene.used == []


def test_what_can_not_be_put_into_force_changes_nothing(scene: Scene) -> None:
    """Whoever goes by the settings may refuse them, too."""

    def refuse(changed: Changed) -> None:
        raise Refused(failed(KINDS["worker.settings"], "settings", "load", "the contract can't be read"))

    scene.reloading.use = refuse
    scene.path.write_text(BASE.replace("strict = true", "strict = false"))
    assert scene.reloading.reload() == "refused: the contract can't be read"
    assert scene.reloading.settings.tables["public.orders"].strict


def test_what_a_signal_asked_for_is_tried_until_what_was_away_is_back(tmp_path: Path) -> None:
    """The log says once that it waits; a command's answer says that it is not taken."""
    path = tmp_path / "headrace.toml"
    path.write_text(BASE)
    away, now, tries = [True], [100.0], []
    reloading = Reloading(load(path), lambda: load(path), lambda: now[0])

    def use(changed: Changed) -> None:
        tries.append(now[0])
        if away:
            raise Transient(failed(KINDS["target.connection"], "postgres", "look at renamed table", "away"))

    reloading.use = use
    path.write_text(BASE.replace("strict = true", "strict = false"))
    reloading.asked.set()
    with capture_logs() as logs:
        for _ in range(3):
            for _ in range(2):
                reloading.turn()
            now[0] += AGAIN
        assert reloading.reload() == "refused: away"
        away.clear()
        reloading.turn()
    assert tries == [100.0, 105.0, 110.0, 115.0, 115.0]
    assert list(reloading.heeded) == [(115.0, "tables: public.orders")]
    assert (reloading.settings.tables["public.orders"].strict, reloading.asked.is_set()) == (False, False)
    assert [entry["event"].partition(";")[0] for entry in logs] == [
        "settings wait to be taken",
        "settings are not taken",
        "settings were read again",
    ]


CONTRACT = '{"type": "record", "name": "R", "fields": [{"name": "id", "type": "%s"}]}'


def test_a_contract_whose_text_alone_has_changed_is_read_again(tmp_path: Path) -> None:
    """Its topic is bound anew; one that is no contract any more is refused."""
    file = tmp_path / "orders.avsc"
    file.write_text(CONTRACT % "long")
    path = tmp_path / "headrace.toml"
    text = BASE.replace('table = "public.orders"', f'contract = "{file}"')
    path.write_text(text)
    reloading = Reloading(load(path), lambda: load(path))
    used: list[Changed] = []
    reloading.use = used.append
    assert reloading.reload() == "nothing has changed"
    file.write_text(CONTRACT % "int")
    assert reloading.reload() == "topics: orders"
    assert reloading.reload() == "nothing has changed"
    file.write_text("nothing")
    assert "is no Avro schema" in reloading.reload()
    assert [changed.topics for changed in used] == [("orders",)]


def test_workers_are_started_with_what_was_taken_last(tmp_path: Path) -> None:
    """Whatever is in the file by then, or was read from it and refused; a shorter text leaves nothing of the longer."""
    path = tmp_path / "headrace.toml"
    path.write_text(BASE)
    kept = KeptFile(path)

    def started() -> Settings:
        return load(path, path_of(kept.fd))

    path.write_text("[broken")
    with pytest.raises(Refused, match="is not TOML"):
        kept.load()
    assert started().tables["public.orders"].strict
    path.write_text(BASE.replace('[tables."public.orders"]\nstrict = true\n', ""))
    assert kept.load().tables == {}
    assert started().tables["public.orders"].strict
    kept.keep()
    path.unlink()
    assert started().tables == {}
    with pytest.raises(Refused, match="does not exist"):
        kept.load()


@given(lists(sampled_from(["a.b", "archive.orders", "a.orders_2", "a.b c"]), unique=True))
def test_the_names_that_tables_got_are_found_in_what_is_said_of_them(names: list[str]) -> None:
    """Whatever else has changed."""
    renamed = {f"topic {number}": name for number, name in enumerate(names)}
    settings = Settings.model_construct()
    for more in ({}, {"tables": ("x.y",), "read": ("t",)}):
        assert brought(Changed(settings=settings, renamed=renamed, **more).words) == set(names)


def test_what_a_signal_did_waits_to_be_kept(scene: Scene) -> None:
    """A reading that a command asked for has its answer elsewhere."""
    scene.reloading.reload_by_command()
    assert not scene.reloading.heeded
    scene.reloading.asked.set()
    scene.reloading.turn()
    assert [outcome for _, outcome in scene.reloading.heeded] == ["nothing has changed"]
