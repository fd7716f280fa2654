"""A target that refuses to tell what it has kept of schemas, by a whole worker."""

from tests.light.scene import Scene
from tests.real.engine.worker import eventually

# the registry has no such schema
_UNKNOWN = 77


def test_only_what_needs_them_stops(scene: Scene) -> None:
    """The worker lives, and looks again by itself; then its record waits as any other."""
    plain, late = scene.topic("plain"), scene.topic("late")
    plain.send(1)
    late.send(1)
    worker = scene.workers.run(scene.job(plain, late, grace=3600.0, sections={"retry": {"table_first": 1.0}}))
    for table in ("plain", "late"):
        query = f"SELECT to_regclass('public.{table}') IS NOT NULL"
        eventually(lambda query=query: scene.target.ask(query) == [(True,)], "it is made")
    scene.target.do("ALTER TABLE headrace.schemas RENAME TO hidden")
    late.send(2, schema=_UNKNOWN)
    worker.said("partition stopped")
    assert {(line["topic"], line["kind"]) for line in worker.lines("partition stopped")} == {
        (late.name, "table.missing")
    }
    plain.send(2)
    eventually(lambda: scene.target.ask("SELECT count(*) FROM plain") == [(2,)], "the other is read")
    scene.target.do("ALTER TABLE headrace.hidden RENAME TO schemas")
    eventually(lambda: "record.schema_unknown" in worker.text(), "it waits for the registry, which has none such")
    assert worker.leave() == 0
