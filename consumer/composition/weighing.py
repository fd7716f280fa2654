"""Planning records apart from any worker, for who only looks: nothing is claimed, kept or proposed."""

from consumer.binding.binder import Binder
from consumer.binding.binder import Sources as BinderSources
from consumer.binding.known import KnownBindings
from consumer.composition.binding_settings import binder_settings
from consumer.composition.edge_settings import frames, kafka_settings, letter_policy
from consumer.core.markers import Placeholders
from consumer.edges.copy_encoder import CopyEncoder
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.postgres.lookup import LookingCatalog
from consumer.edges.registry import HttpRegistry
from consumer.edges.rows import RowDecoder
from consumer.planning.block_decoder import Decoders
from consumer.planning.decode_watch import Marks
from consumer.planning.planner import Planner
from consumer.settings.loading import Settings
from dlq.difference import Weigher


def weigher_of(settings: Settings, catalog: LookingCatalog, registry: HttpRegistry, most: int = 1) -> Weigher:
    """Plans letters as a worker does, by the decoder that always ends; at most so many at a time."""
    rows, known = RowDecoder(), KnownBindings()
    placeholders = Placeholders(settings.source.unavailable_values)
    decoders = Decoders(fast=rows, careful=rows, placeholders=placeholders, frames=frames(settings))
    sources = BinderSources(
        registry=registry, catalog=catalog, offsets=KafkaOffsets(kafka_settings(settings)), rows=rows
    )
    planner = Planner(decoders, CopyEncoder(), known, Marks(), letter_policy(settings), most)
    return Weigher(planner, Binder(known, sources, binder_settings(settings)), known)
