"""What is expected of each scenario. docs/how-to/run-the-scenarios.md has the same table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Expectation:
    """`fault`: what is done to which server. The others: what people rely on meanwhile, see, and have to do."""

    fault: str
    keeps: str
    sees: str
    heals: str


_SELF = "by itself"

EXPECTED: dict[str, Expectation] = {
    "target down": Expectation(
        "PostgreSQL is stopped",
        "partitions stay; nothing is skipped or becomes a letter",
        "`headrace_breaker_state` open, the API answers 503 with the remedy",
        _SELF,
    ),
    "target slow": Expectation(
        "each piece of its traffic waits",
        "rows go on, in smaller batches",
        "records behind in `/lag`, `batches resized` in `/healing`",
        _SELF,
    ),
    "target lies": Expectation(
        "it takes connections and no writes",
        "partitions stay; whoever looks gets answers",
        "`headrace_failures_total` of `target.read_only`, the breaker open, records behind in `/lag`",
        _SELF,
    ),
    "broker down": Expectation(
        "Kafka is killed",
        "the API knows positions and letters",
        "in `/lag` that the logs' ends are not known, with the reason",
        _SELF,
    ),
    "broker slow": Expectation(
        "each piece of its traffic waits",
        "rows go on, nobody leaves the group",
        "how old rows are when they are applied: `headrace_apply_latency_seconds`",
        _SELF,
    ),
    "broker lies": Expectation(
        "it answers everything but fetches",
        "the group stays as it is",
        "records behind in `/lag` and `headrace_lag_records`",
        _SELF,
    ),
    "registry down": Expectation(
        "it refuses connections, and the worker is killed",
        "a new worker goes on with the schemas that were kept",
        "`headrace_breaker_state` of the registry, and the log once",
        _SELF,
    ),
    "registry slow": Expectation(
        "each piece of its traffic waits, and the worker is killed",
        "a new worker goes on",
        "`headrace_step_seconds` of planning, or nothing: it was asked once for each id",
        _SELF,
    ),
    "registry lies": Expectation(
        "500 for everything, then another schema for a new table's id",
        "the other table goes on; no row is written by the wrong schema",
        "`partition waits`, then letters of `record.decode`, up to a partition that stops as `table.flood`",
        "by a person: restart the worker, retry the partitions, replay the letters",
    ),
    "Connect down": Expectation(
        "Kafka Connect is stopped",
        "what is in the topics is applied",
        "in `/lag` and `/connectors` that Kafka Connect does not answer",
        _SELF,
    ),
    "collector hangs": Expectation(
        "the collector of traces takes connections and answers nothing",
        "rows go on, and the worker ends in its time",
        "`headrace_spans_dropped_total`",
        "by itself, without the spans",
    ),
    "broker and target": Expectation(
        "both are stopped, and come back one after the other",
        "the worker lives and holds its positions",
        "both in the log, the breaker of the target open",
        _SELF,
    ),
    "registry and target": Expectation(
        "the registry refuses connections, the target is stopped, and the worker is killed",
        "a new worker waits for both",
        "the breaker of the target open, then `registry.away` for what is not kept",
        _SELF,
    ),
}
