"""Answers of the admin client, which come by themselves."""

import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from consumer.core.records import NO_TOPIC_ID

ABSENT = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    # of all that was asked for, nothing is there that somebody leads
    KafkaError._NOENT,
)
"""Errors of what is not there, or has nobody who could tell of it now."""
HIDDEN = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED)
"""Errors of what is not for us to know."""

K = TypeVar("K")


def is_led(part: Any) -> bool:
    """Whether a broker leads a described partition."""
    return part.leader is not None and part.leader.id >= 0


def id_told(described: Any) -> str | None:
    """The id of a described topic; None where the brokers are too old to tell one."""
    told = str(described.topic_id)
    return None if told == NO_TOPIC_ID else told


def answered(answers: Mapping[K, Future[Any]], within: float, leave_out: Collection[int]) -> dict[K, Any]:
    """All of them within so many seconds, but for those that end in one of these errors.

    Raises KafkaException, TimeoutError.
    """
    until = time.monotonic() + within
    found = {}
    for asked, answer in answers.items():
        try:
            found[asked] = answer.result(max(0.0, until - time.monotonic()))
        except KafkaException as error:
            if error.args[0].code() not in leave_out:
                raise
    return found
