"""Tables of several priorities in one worker: critical changes pass a backlog of bulk ones, which goes on as well."""

import json
import time
from functools import partial

from tests.light.scene import Scene
from tests.real.engine.worker import eventually

# a minute of bulk rows, which no critical change has to wait for
BACKLOG = 12_000
_SLOW = "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {} RETURN NEW; END'"


def test_critical_changes_pass_a_bulk_backlog_that_goes_on_all_the_same(scene: Scene) -> None:
    """A trigger makes each bulk row cost 5 ms. Critical ones are there long before the backlog is, and while they wait
    longer than they should it is said which tables are held back, and why."""
    bulk, critical = scene.topic("heavy"), scene.topic("vital")
    job = scene.job(
        bulk,
        critical,
        tables={"public.heavy": {"priority": "bulk"}, "public.vital": {"priority": "critical"}},
        # a goal that no batch of so slow a table keeps
        sections={"priorities": {"latency_goal": 0.05, "turn_every": 2, "calm": 0.2}},
    )
    bulk.send(1)
    critical.send(1)
    scene.workers.until_current(job)
    scene.target.do(_SLOW.format("PERFORM pg_sleep(0.005);"))
    scene.target.do("CREATE TRIGGER slow BEFORE INSERT ON heavy FOR EACH ROW EXECUTE FUNCTION slow()")
    bulk.send(*range(2, BACKLOG))

    worker = scene.workers.run(job)
    eventually(lambda: scene.target.ask("SELECT count(*) > 1 FROM heavy")[0][0], "the backlog is begun")
    began = time.monotonic()
    for number in range(2, 12):
        critical.send(number)
        passed = partial(scene.target.ask, "SELECT id FROM vital WHERE id = %s", number)
        eventually(passed, "it passes")
    took = time.monotonic() - began
    assert scene.target.ask("SELECT count(*) < %s FROM heavy", BACKLOG - 1) == [(True,)], f"all bulk in {took:.1f} s"
    worker.said("tables are held back")
    assert "critical tables wait" in worker.lines("tables are held back")[0]["why"]

    # nobody starves
    scene.target.do(_SLOW.format(""))
    eventually(lambda: scene.target.ask("SELECT count(*) FROM heavy") == [(BACKLOG - 1,)], "the backlog is applied")
    assert worker.leave() == 0


def test_lag_says_who_is_held_back_while_memory_is_short(scene: Scene) -> None:
    """The process holds more than it may, whatever it does: it goes on in turns, and says why it is slow."""
    topic = scene.topic("plain")
    topic.send(1)
    job = scene.job(topic, sections={"worker": {"memory_mb": 256}, "priorities": {"turn_every": 0.5, "calm": 0.2}})
    worker = scene.workers.child(job, "laden")
    worker.said("tables are held back")
    topic.send(*range(2, 200))

    def listed() -> str:
        command = scene.workers.command(job, "workers", "ls", "--output", "json")
        assert command.finish() == 0, command.text()
        (found,) = json.loads(command.text()[command.text().index("[\n") :])
        return str(found["held_back"] and found["held_back"]["why"])

    eventually(lambda: listed().startswith("memory is at"), "it is told")
    eventually(lambda: scene.target.ask("SELECT count(*) FROM plain") == [(199,)], "it goes on in turns")
    assert worker.leave() == 0
