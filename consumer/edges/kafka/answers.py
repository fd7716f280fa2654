"""Answers of the admin client, which come by themselves."""

import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import KafkaException

K = TypeVar("K")


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
