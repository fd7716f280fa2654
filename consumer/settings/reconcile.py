"""The section of the settings that is about comparing tables with their source."""

from pydantic import Field

from consumer.settings.section import Section


class Reconcile(Section):
    """What a comparison with the source may cost, and how long it waits."""

    every_hours: float | None = Field(
        default=None,
        ge=0.1,
        le=8760,
        description="Hours after the last comparison's beginning after which workers begin one of all tables by "
        "themselves. Default: none, only people do.",
    )
    range_rows: int = Field(
        default=20_000, ge=100, le=1_000_000, description="Rows of a range of keys that are summed at once."
    )
    rate: float = Field(
        default=100_000.0,
        ge=1,
        le=100_000_000,
        description="Rows a second that are read of the source, and as many of the target. A comparison pauses for it "
        "between ranges.",
    )
    statement_timeout: float = Field(
        default=10.0,
        ge=0.1,
        le=600,
        description="Seconds that one of its statements may take, on either side. Ranges that take longer are halved.",
    )
    settle: float = Field(
        default=120.0,
        ge=0.1,
        le=600,
        description="Seconds after which what the connector has got of the source's log counts as sent to Kafka "
        "although its slot confirms nothing more, as at a source at rest; waited before a row is called different. "
        "More than Kafka Connect's offset.flush.interval.ms (60 s by default), and than its producer is ever held up.",
    )
    patience: float = Field(
        default=300.0,
        ge=1,
        le=86_400,
        description="Most seconds that a comparison waits until the target has passed a position of the source; then "
        "it stops for a person.",
    )
    snapshot_patience: float = Field(
        default=600.0,
        ge=1,
        le=86_400,
        description="Most seconds without a row of a table that the source was asked to send again; then its "
        "rebuilding stops for a person.",
    )
    rounds: int = Field(
        default=5,
        ge=1,
        le=100,
        description="How often a row is looked at, at least, that is written between all looks.",
    )
    max_keys: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Most rows of a table that differ; with more, the comparison stops.",
    )
    keep_hours: float = Field(
        default=2160.0, ge=1, le=876_000, description="Hours that comparisons and recoveries are kept after their end."
    )
