"""F10, F11: unread records are deleted from the log, or the topic is made anew under the same name."""

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from tests.real.engine.feed import Feed
from tests.real.engine.worker import eventually

from .trial import Trial


def _admin(trial: Trial) -> AdminClient:
    return AdminClient({"bootstrap.servers": trial.ground.at.kafka, "log_level": 0})


@pytest.mark.short
def test_f10_unread_records_are_deleted(trial: Trial) -> None:
    """Their partition stops with the reason, the others go on; a command has it go on behind what is gone."""
    once = trial.feed("once")
    once.create(60)
    assert trial.run("--until-current").finish() == 0
    place, gone = trial.chance.randrange(once.partitions), trial.chance.randrange(1, 40)
    position = once.ends()[once.topic, place]
    for number in range(gone):
        key = 3000 + number * once.partitions + place
        once.raw(once.encode("c", key, {"id": key, "label": "gone", "amount": 1}), key)
    once.flush()
    once.create(60)
    lost = TopicPartition(once.topic, place, position + gone)
    trial.books.remember()
    admin = _admin(trial)
    admin.delete_records([lost])[lost].result(30)
    worker = trial.run()
    trial.recovers(but=((once.topic, place),))
    worker.said("partition stopped")
    assert {at: why["kind"] for at, why in trial.target.stopped(trial.job.group).items()} == {
        (once.topic, place): "log.out_of_range"
    }
    assert trial.target.positions(trial.job.group)[once.topic, place] == position
    trial.jumps((once.topic, place), position + gone)
    trial.decided("positions", "set", once.topic, str(place), "--to", "earliest")
    trial.over()
    trial.recovers()
    trial.verify()


def _made_anew(trial: Trial, once: Feed) -> Feed:
    """The same name and partitions, and more records than there were, of other rows."""
    trial.books.close(once.topic)
    admin = _admin(trial)
    admin.delete_topics([once.topic])[once.topic].result(30)
    eventually(lambda: once.topic not in admin.list_topics(timeout=10).topics, "the topic is gone")
    again = Feed(trial.ground.at, "once", once.topic)
    again.last = 1000
    again.create(90 + trial.chance.randrange(100))
    return again


def _stopped(trial: Trial, once: Feed) -> set[str]:
    stopped = trial.target.stopped(trial.job.group)
    return {why["kind"] for at, why in stopped.items()} if set(stopped) == set(once.ends()) else set()


def _begins_anew(trial: Trial, once: Feed, again: Feed) -> None:
    """A person adopts it: the target keeps the old rows, and the new topic is read from its start."""
    once.changes += again.changes
    for at in again.ends():
        trial.jumps(at, 0, anew=True)
    trial.decided("recover", "adopt", once.topic)
    trial.over()
    trial.recovers()
    trial.verify()


@pytest.mark.short
def test_f11_a_topic_is_made_anew_between_two_workers(trial: Trial) -> None:
    """Nothing of the new one is applied before a person has decided."""
    once = trial.feed("once")
    once.create(60)
    assert trial.run("--until-current").finish() == 0
    again = _made_anew(trial, once)
    trial.run()
    eventually(lambda: _stopped(trial, once) == {"log.recreated"}, "all partitions stopped")
    assert trial.target.rows("once") == once.rows()
    _begins_anew(trial, once, again)


def test_f11_a_topic_is_made_anew_while_it_is_read(trial: Trial) -> None:
    """It is noticed by itself, within one refresh of the client's metadata."""
    once = trial.feed("once")
    once.create(60)
    trial.run()
    trial.recovers()
    again = _made_anew(trial, once)
    eventually(lambda: _stopped(trial, once), "all partitions stopped")
    assert _stopped(trial, once) == {"log.recreated"}
    _begins_anew(trial, once, again)
