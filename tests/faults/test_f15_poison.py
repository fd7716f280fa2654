"""F15: bad records of every class, spread among good ones of the same rows."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.oracle import Change
from tests.real.engine.feed import Feed, read_topic
from tests.real.engine.worker import eventually

from .books import Origin
from .log import log_ends
from .shortly import cases
from .trial import Trial

_WORDS = ("calm", "glad", "sore")
_RECORDS = 400
_KEYS = 30
_NUMBERS = 'SELECT topic, "offset", id FROM headrace.letters'


@dataclass(frozen=True, slots=True)
class Poison:
    """How the bytes are made, and the kind of the letter.

    `refused`: it is sound until the target sees it, which it does not if a later change of its row is in its batch.
    """

    make: Callable[[Feed, int], bytes]
    kind: str
    refused: bool = False


def _image(feed: Feed, key: int, label: str = "calm", amount: int = 1) -> bytes:
    return feed.encode("u", key, {"id": key, "label": label, "amount": amount})


_POISONS = {
    "wrong magic": Poison(lambda feed, key: b"\1" + _image(feed, key)[1:], "record.framing"),
    "unknown id": Poison(lambda feed, key: b"\0\x7f\0\0\7" + _image(feed, key)[5:], "record.schema_unknown"),
    "cut Avro": Poison(lambda feed, key: _image(feed, key)[:-4], "record.decode"),
    "surplus bytes": Poison(lambda feed, key: _image(feed, key) + b"\0\0", "record.decode"),
    "bad UTF-8": Poison(
        lambda feed, key: _image(feed, key, "aaaa").replace(b"aaaa", b"\xff\xfe\xc3\x28"), "record.decode"
    ),
    "overflow numeric": Poison(lambda feed, key: _image(feed, key, amount=10_000_000), "record.value", refused=True),
    "check refused": Poison(lambda feed, key: _image(feed, key, amount=666), "record.check", refused=True),
    "bad enum": Poison(lambda feed, key: _image(feed, key, "bliss"), "record.value", refused=True),
    "zero byte": Poison(lambda feed, key: _image(feed, key, "a\0b"), "record.value", refused=True),
}


def _mixed(trial: Trial, feed: Feed, poisons: list[str]) -> tuple[dict[Origin, str], dict[Origin, str]]:
    """Feed good and bad records and tombstones of few rows; returns what each letter must be: state and kind."""
    states: dict[Origin, str] = {}
    kinds: dict[Origin, str] = {}
    places: Counter[int] = Counter()
    alive: set[int] = set()
    open_ones: dict[int, list[Origin]] = {}
    for _ in range(_RECORDS):
        key = trial.chance.randrange(1, _KEYS)
        place = key % feed.partitions
        here = feed.topic, place, places[place]
        places[place] += 1
        dice = trial.chance.random()
        if dice < 0.15:
            poison = _POISONS[trial.chance.choice(poisons)]
            if poison.refused:
                key += 1000 * feed.partitions * (1 + len(states))
            feed.raw(poison.make(feed, key), key)
            states[here], kinds[here] = "dead", poison.kind
            open_ones.setdefault(key, []).append(here)
            continue
        if dice < 0.25:
            feed.raw(None, key)
            continue
        if key in alive and dice < 0.4:
            alive.discard(key)
            feed.send("d", key)
        else:
            feed.send("u" if key in alive else "c", key, trial.chance.choice(_WORDS), trial.chance.randrange(500))
            alive.add(key)
        # a newer whole image, or the row's end, makes what failed before it pointless
        states |= dict.fromkeys(open_ones.pop(key, []), "superseded")
    feed.flush()
    return states, kinds


def _kinds(trial: Trial) -> dict[Origin, str]:
    query = 'SELECT topic, partition, "offset", kind FROM headrace.letters WHERE group_name = %s'
    return {tuple(row[:3]): str(row[3]) for row in trial.target.ask(query, trial.job.group)}


@pytest.mark.parametrize("column", cases(["text", "enum"], "text"))
def test_f15_poison_costs_itself(trial: Trial, column: str) -> None:
    """Each bad record is one letter of its class; tombstones are ignored, as the topic is not compacted."""
    trial.target.do("ALTER TABLE churn ALTER amount TYPE numeric(6, 0), ADD CONSTRAINT devilish CHECK (amount <> 666)")
    if column == "enum":
        trial.target.do(f"CREATE TYPE mood AS ENUM {_WORDS}")
        trial.target.do("ALTER TABLE churn ALTER label TYPE mood USING NULL")
    feed = trial.feed("churn", 2)
    unlike = {"text": "bad enum", "enum": "zero byte"}[column]
    states, kinds = _mixed(trial, feed, [name for name in _POISONS if name != unlike])
    trial.vary(letters={"flood_percent": 100})
    trial.run()
    trial.recovers()
    query = (
        "SELECT count(*) FROM headrace.letters WHERE group_name = %s AND state = 'dead' AND published_attempt < attempt"
    )
    eventually(lambda: trial.target.ask(query, trial.job.group) == [(0,)], "every dead letter has its copy")
    assert _kinds(trial) == kinds
    trial.verify(states)

    topic = f"{trial.job.group}.dlq"
    copies = read_topic(trial.ground.at.kafka, topic, log_ends(trial.ground.at.kafka, [topic])[topic, 0])
    heads = [{name: value.decode() for name, value in headers} for _, _, headers in copies]
    told = {
        (head["headrace.topic"], int(head["headrace.partition"]), int(head["headrace.offset"])): head["headrace.kind"]
        for head in heads
    }
    assert len(told) == len(heads)
    dead = {origin: kinds[origin] for origin, state in states.items() if state == "dead"}
    assert dead.items() <= told.items() <= kinds.items()


def test_f15_people_decide_about_letters_while_workers_die(trial: Trial) -> None:
    """Some are edited and sent again, some sent again as they are, some given up; each comes to one end."""
    trial.target.do("ALTER TABLE churn ADD CONSTRAINT devilish CHECK (amount <> 666)")
    trial.vary(letters={"flood_percent": 100}, client={"group.instance.id": "one"})
    feed = trial.feed("churn", 1)
    origins: list[Origin] = []
    for key in range(1, 41):
        if key % 4:
            feed.send("c", key, "good", key)
        else:
            origins.append((feed.topic, 0, key - 1))
            feed.raw(_image(feed, key, amount=666), key)
    feed.flush()
    worker = trial.run()
    trial.recovers()
    trial.chance.shuffle(origins)
    edited, again, given_up = origins[:2], origins[2:5], origins[5:]
    numbers = {(str(row[0]), 0, int(str(row[1]))): str(row[2]) for row in trial.target.ask(_NUMBERS)}

    trial.decided("dlq", "discard", *(numbers[one] for one in given_up))
    for one in edited:
        patch = trial.workers.command(
            trial.job, "dlq", "edit", numbers[one], "--set", "amount:=5", "--reason", "a slip"
        )
        assert patch.finish() == 0, patch.text()
        feed.changes.append(Change("c", (one[2] + 1,), {"id": one[2] + 1, "label": "calm", "amount": 5}))
    replay = trial.decides("dlq", "replay", *(numbers[one] for one in (*edited, *again)))
    trial.lasts(trial.chance.uniform(0.0, 3.0))
    worker.kill()
    trial.over()
    trial.run().said("partitions taken")
    assert replay.finish() == 0, replay.text()
    # what is as it was is refused again
    expected = {
        **dict.fromkeys(edited, "applied"),
        **dict.fromkeys(again, "dead"),
        **dict.fromkeys(given_up, "discarded"),
    }
    eventually(lambda: trial.oracle.letters() == expected, f"letters come to their ends: {trial.oracle.letters()}")
    trial.verify(expected)
