"""Asking the cluster, by a client that is made when it is first needed and anew after it got no answer.

librdkafka forgets brokers that the cluster does not name any more. A broker that is shutting down may name none at all,
and a client that was told so has nobody left to ask, for ever, whatever its recovery strategy (librdkafka issue 5301;
seen with 2.16). Only another client finds the cluster again.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from consumer.core.failure import Transient
from consumer.edges.kafka.config import KafkaSettings, asking, common_config, configuring, kind_of, translated

# what the client says when nobody answers, and nothing when it is an answer's deadline that passed
_NO_ANSWER = ("", "_TRANSPORT", "_TIMED_OUT", "_ALL_BROKERS_DOWN")


# kinds of what a client hears that say more than that nobody answers; so does an address that leads nowhere
_TELLING = ("kafka.tls", "kafka.refused")


class Heard:
    """Keeps why no connection comes about, as the client says it beside its answers."""

    def __init__(self) -> None:
        self.why: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        if kind_of(error).name in _TELLING or error.name() == "_RESOLVE":
            self.why = error


class Admin:
    """Lends its client for questions."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client: AdminClient | None = None
        self._heard = Heard()

    @contextmanager
    def asking(self, operation: str) -> Iterator[AdminClient]:
        """The client; its errors as ours, and what the client has heard where it got no answer.

        Raises Refused, Transient, or Persistent for fatal errors.
        """
        client = self.opened()
        try:
            with asking(operation):
                yield client
        except Transient as error:
            if error.failure.code in _NO_ANSWER:
                client.poll(0)
                self.close()
                if (why := self._heard.why) is not None:
                    # whether that lasts is for the group's member to say
                    raise Transient(translated(KafkaException(why), operation).failure) from error
            raise

    def close(self) -> None:
        """Let go of the client."""
        self._client = None

    def opened(self) -> AdminClient:
        """The client, made if need be. Raises Refused for settings that it does not take."""
        if self._client is None:
            self._heard = Heard()
            with configuring():
                self._client = AdminClient(common_config(self._settings) | {"error_cb": self._heard})
        return self._client
