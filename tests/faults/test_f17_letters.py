"""F17: the broker takes no copies of letters: positions move until too many wait, then stand; nothing is lost."""

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.real.engine.feed import create_topic
from tests.real.engine.worker import awaited, eventually

from .link import PRODUCE
from .shortly import cases
from .trial import Trial

_MOST = 20
# seconds until a partition that stands is looked at again
_SOON = {"retry": {"table_first": 1, "table_most": 2}}
_UNPUBLISHED = "SELECT count(*) FROM headrace.letters WHERE group_name = %s AND published_attempt < attempt"


def _largest(trial: Trial, size: int) -> None:
    """Have the topic of dead letters take no record of more bytes."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, f"{trial.job.group}.dlq", incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": trial.ground.at.kafka, "log_level": 0})
    admin.incremental_alter_configs([resource])[resource].result(30)


_BREAKS: dict[str, tuple[Callable[[Trial], None], Callable[[Trial], None]]] = {
    "refuses": (lambda trial: _largest(trial, 1), lambda trial: _largest(trial, 1 << 20)),
    "does not answer": (lambda trial: trial.ground.kafka.swallow(PRODUCE), lambda trial: trial.ground.kafka.go()),
}


def _unpublished(trial: Trial) -> int:
    return int(str(trial.target.ask(_UNPUBLISHED, trial.job.group)[0][0]))


@pytest.mark.parametrize("how", cases(_BREAKS, "refuses"))
def test_f17_the_broker_takes_no_copies(trial: Trial, how: str) -> None:
    """The stand is visible in the position, with its reason; when copies are taken again, all goes on by itself."""
    trial.target.do("ALTER TABLE once ADD CONSTRAINT devilish CHECK (amount <> 666)")
    trial.vary(max_rows=10, letters={"max_unpublished": _MOST, "flood_percent": 100}, sections=_SOON)
    feed = trial.feed("once", 1)
    letters = {}
    for offset in range(300):
        feed.last += 1
        if trial.chance.random() < 0.3:
            letters[feed.topic, 0, offset] = "dead"
            feed.raw(feed.encode("c", feed.last, {"id": feed.last, "label": "bad", "amount": 666}), feed.last)
        else:
            feed.send("c", feed.last, "good", 1)
    feed.flush()
    create_topic(trial.ground.at.kafka, f"{trial.job.group}.dlq", 1)
    breaks, mends = _BREAKS[how]
    breaks(trial)
    try:
        worker = trial.run()
        worker.said("partition stopped")
        stood = trial.target.positions(trial.job.group)[feed.topic, 0]
        assert 0 < int(str(stood)) < 300
        stopped = awaited(lambda: trial.target.stopped(trial.job.group), "it says why")
        assert stopped[feed.topic, 0]["kind"] == "kafka.letters"
        assert _MOST <= _unpublished(trial) < _MOST + trial.job.max_rows
        # it is looked at again: what needs no letter may be applied, no letter is added
        waiting = _unpublished(trial)
        worker.said("partition stopped", 2)
        position = int(str(trial.target.positions(trial.job.group)[feed.topic, 0]))
        assert position <= min(offset for _, _, offset in letters if offset >= int(str(stood)))
        assert _unpublished(trial) == waiting
    finally:
        mends(trial)
    trial.over()
    trial.recovers(180)
    eventually(lambda: _unpublished(trial) == 0, "every letter has its copy")
    trial.verify(letters)
