"""The settings of who watches: metrics and probes, lag, traces."""

from typing import Annotated

from pydantic import Field

from consumer.settings.section import Section


class Telemetry(Section):
    """Metrics, probes and lag, for who watches."""

    serve: bool = Field(
        default=True,
        description="Serve `/metrics`, `/healthz` and `/readyz` from each worker, and from `headrace admin serve`. "
        "Otherwise nothing is counted either.",
    )
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address that they listen on. There is no login: let only those reach it who may scrape.",
    )
    port: int = Field(
        default=9464,
        ge=0,
        le=65_535,
        description="Port of the first process on a machine; each further one takes the next that is free. 0: any.",
    )
    turn_within: float = Field(
        default=30.0,
        ge=1,
        le=3600,
        description="Seconds without a turn of the poll loop after which `/healthz` fails.",
    )
    look_every: float = Field(
        default=10.0,
        ge=1,
        le=3600,
        description="Seconds between looks at the group's lag, by one of its workers, or by the admin process while "
        "there is none.",
    )
    max_topics: int = Field(
        default=200,
        ge=1,
        le=10_000,
        description="Most topics, and tables, that metrics name; the rest is `other`.",
    )
    max_partitions: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Most partitions that have series of their own for their lag; the rest is one of `other`.",
    )
    kafka_names: bool = Field(
        default=False,
        description="Also tell lag by the names of kafka_exporter (`kafka_consumergroup_lag`), for its dashboards.",
    )


Ratio = Annotated[float, Field(ge=0, le=1)]


class Trace(Section):
    """Traces of batches, to an OpenTelemetry collector."""

    endpoint: str = Field(
        default="",
        pattern=r"^(https?://.+)?$",
        description="Where spans are sent by OTLP over HTTP, as http://collector:4318/v1/traces. Empty: nothing is "
        "traced.",
    )
    timeout: float = Field(
        default=5.0,
        ge=0.5,
        le=60,
        description="Seconds that the collector may take, also for what is left at the end. What it does not take "
        "is left out.",
    )
    ratio: Ratio = Field(default=1.0, description="Share of the batches that are traced.")
    links: int = Field(
        default=32, ge=0, le=32, description="Most records of a batch that its trace is linked to, by their headers."
    )
    field: str = Field(
        default="tracingspancontext",
        description="Column that holds the trace context, as Debezium's ActivateTracingSpan has it; for records "
        "without a traceparent header. Empty: none.",
    )
    url: str = Field(
        default="",
        pattern=r"^(https?://\S*\{trace_id\}\S*)?$",
        description="Where people see a trace, as https://tempo.example/trace/{trace_id}; letters in the console lead "
        "there. Empty: the trace's id alone is shown.",
    )
