"""Asking the cluster, by a client that is made when it is first needed and anew after it got no answer.

librdkafka forgets brokers that the cluster does not name any more. A broker that is shutting down may name none at all,
and a client that was told so has nobody left to ask, for ever, whatever its recovery strategy (librdkafka issue 5301;
seen with 2.16). Only another client finds the cluster again.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient

from consumer.core.failure import Transient
from consumer.edges.kafka.config import KafkaSettings, asking, common_config, configuring

# what the client says when nobody answers, and nothing when it is an answer's deadline that passed
_NO_ANSWER = ("", "_TRANSPORT", "_TIMED_OUT", "_ALL_BROKERS_DOWN")


class Admin:
    """Lends its client for questions."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client: AdminClient | None = None

    @contextmanager
    def asking(self, operation: str) -> Iterator[AdminClient]:
        """The client; its errors as ours. Raises Refused, Transient, or Persistent for fatal errors."""
        client = self.opened()
        try:
            with asking(operation):
                yield client
        except Transient as error:
            if error.failure.code in _NO_ANSWER:
                self.close()
            raise

    def close(self) -> None:
        """Let go of the client."""
        self._client = None

    def opened(self) -> AdminClient:
        """The client, made if need be. Raises Refused for settings that it does not take."""
        if self._client is None:
            with configuring():
                self._client = AdminClient(common_config(self._settings))
        return self._client
