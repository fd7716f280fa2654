"""A topic that is deleted while what it holds is waited for, by a whole worker."""

import pytest
from confluent_kafka import KafkaError

from tests.light.scene import Scene
from tests.real.engine.worker import eventually

_PARTIAL = 5
# the registry has no such schema
_UNKNOWN = 77


@pytest.mark.parametrize("words", [(), ("--workers", "2")], ids=["one process", "supervised"])
def test_until_current_does_not_wait_for_what_is_left_in_it(scene: Scene, words: tuple[str, ...]) -> None:
    """It ends as with other partitions that do not go on, and says what to do."""
    plain, late = scene.topic("plain"), scene.topic("late")
    plain.send(1)
    late.send(1, schema=_UNKNOWN)
    worker = scene.workers.run(scene.job(plain, late, grace=3600.0), "--until-current", *words)
    eventually(lambda: "record.schema_unknown" in worker.text(), "its record waits for the registry")
    eventually(lambda: scene.target.ask("SELECT to_regclass('public.plain') IS NOT NULL") == [(True,)], "it is made")
    eventually(lambda: scene.target.ask("SELECT count(*) FROM plain") == [(1,)], "the other is read")
    assert worker.code is None
    scene.broker.forbid(late.name, KafkaError.UNKNOWN_TOPIC_OR_PART)
    assert worker.finish() == _PARTIAL
    assert f"{late.name}-0: 1 records left: topic {late.name} was deleted before they were read" in worker.text()
