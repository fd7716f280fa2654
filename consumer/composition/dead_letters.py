"""What reads dead letters of other consumers, composed for workers and for people."""

from collections.abc import Sequence

from consumer.background.importing import Importer
from consumer.composition.edge_settings import kafka_settings
from consumer.edges.kafka.dead_topics import KafkaDeadTopics
from consumer.edges.postgres.imports import PostgresImports
from consumer.edges.postgres.pool import TargetPool
from consumer.settings.loading import Settings
from dlq.foreign import recognised


def imports(settings: Settings, pool: TargetPool) -> PostgresImports:
    """How far dead-letter topics were read."""
    return PostgresImports(pool, settings.kafka.group, settings.letters.inline_bytes)


def importer(settings: Settings, imports: PostgresImports, topics: Sequence[str]) -> Importer:
    """Reads these topics: names, and expressions that begin with ^."""
    return Importer(KafkaDeadTopics(kafka_settings(settings), topics), imports, recognised, topics)
