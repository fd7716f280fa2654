"""F16: records that are large, too large to keep, or too large for the topic of dead letters."""

from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from tests.real.engine.feed import create_topic, read_topic
from tests.real.engine.worker import eventually

from .trial import Trial

_LARGE = 20 << 20
_MIDDLE = 400_000
# what a worker may use at most, in megabytes
_BOUND = 600


def _peak_megabytes(pid: int) -> int:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) >> 10


@pytest.mark.short
def test_f16_large_records(trial: Trial) -> None:
    """A good one is applied; a bad one is a letter that points; a copy that its topic refuses is a pointer too."""
    trial.target.do("ALTER TABLE once ADD CONSTRAINT devilish CHECK (amount <> 666)")
    feed = trial.feed("once", 1, {"max.message.bytes": str(_LARGE + (1 << 20))})
    dead = f"{trial.job.group}.dlq"
    create_topic(trial.ground.at.kafka, dead, 1, {"max.message.bytes": "100000"})
    letters = {}
    for size, amount in ((_LARGE, 1), (_LARGE, 666), (_MIDDLE, 666), (_MIDDLE, 2)):
        feed.create(trial.chance.randrange(1, 40))
        label = "x" * size
        if amount == 666:
            key = 10_000 + len(letters)
            letters[feed.topic, 0, len(feed.changes) + len(letters)] = "dead"
            feed.raw(feed.encode("c", key, {"id": key, "label": label, "amount": amount}), key)
        else:
            feed.last += 1
            feed.send("c", feed.last, label, amount)
    feed.create(20)
    worker = trial.run()
    trial.recovers()
    query = "SELECT count(*) FROM headrace.letters WHERE group_name = %s AND published_attempt < attempt"
    eventually(lambda: trial.target.ask(query, trial.job.group) == [(0,)], "every letter has its copy")
    peak = _peak_megabytes(worker.pid)
    trial.verify(letters)

    kept = trial.target.ask(
        "SELECT length(value) > 0 FROM headrace.letters LEFT JOIN headrace.letter_bytes ON letter_id = id ORDER BY id"
    )
    assert kept == [(None,), (True,)]
    for _, value, _ in read_topic(trial.ground.at.kafka, dead, 2):
        assert value is None
    assert set(
        AdminClient({"bootstrap.servers": trial.ground.at.kafka}).list_topics(timeout=30).topics[dead].partitions
    ) == {0}
    assert peak < _BOUND
