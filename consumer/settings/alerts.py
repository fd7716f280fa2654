"""The settings of alerts: thresholds and times, for who writes rules. Workers do not read them."""

from typing import Annotated

from pydantic import Field

from consumer.settings.section import Section

_MONTH = 30 * 86_400
# it stands in a text in quotes
_LINK = r'^[^"\\\s<>]+$'

Wait = Annotated[int, Field(ge=0, le=_MONTH)]
Seconds = Annotated[int, Field(ge=1, le=_MONTH)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Bytes = Annotated[int, Field(ge=1_000_000, le=10**15)]


class Alerts(Section):
    """Thresholds of the alerts that `headrace alerts` writes."""

    runbooks: str = Field(
        default="docs/runbooks", pattern=_LINK, description="Where you publish the runbooks; their links begin so."
    )
    dashboards: str = Field(
        default="/d", pattern=_LINK, description="Where Grafana shows dashboards, as https://grafana/d; links begin so."
    )
    lag_seconds: Seconds = Field(default=300, description="Most that the oldest record that is not applied may wait.")
    lag_for: Wait = Field(default=300, description="For how long it may wait longer.")
    stalled_for: Wait = Field(default=120, description="For how long a position may not move.")
    stopped_for: Wait = Field(default=60, description="For how long a partition may be stopped.")
    unknown_for: Wait = Field(
        default=120,
        description="For how long Kafka may not tell how far a partition's log reaches, or tell too little.",
    )
    paused_for: Wait = Field(default=86_400, description="For how long a person may pause a table unasked.")
    stale_seconds: Seconds = Field(default=3600, description="How far behind now a table may be complete to.")
    stale_for: Wait = Field(default=300, description="For how long it may be further behind.")
    unseen_seconds: Seconds = Field(default=120, description="How old the last look at the group's lag may be.")
    unseen_for: Wait = Field(default=60, description="For how long it may be older, or missing.")
    silence_seconds: Seconds = Field(
        default=300, description="For how long neither a heartbeat nor a change may come from the source."
    )
    silence_for: Wait = Field(default=60, description="For how long it may be silent longer.")
    connector_for: Wait = Field(
        default=60, description="For how long a connector of Kafka Connect, or a task of it, may have failed."
    )
    connect_for: Wait = Field(default=300, description="For how long Kafka Connect may not tell of its connectors.")
    workers: Count = Field(default=1, description="Workers that are scraped at least.")
    workers_for: Wait = Field(default=120, description="For how long there may be fewer.")
    unread_for: Wait = Field(default=120, description="For how long a partition may have no worker.")
    loop_seconds: Seconds = Field(
        default=60,
        description="Most between two turns of a worker's loop; less than worker.stall_timeout, and more than a "
        "statement may take: 1.25 times target.batch_deadline and target.connect_timeout.",
    )
    loop_for: Wait = Field(default=0, description="For how long there may be more.")
    memory_bytes: Bytes = Field(default=900_000_000, description="Most memory of a process.")
    memory_for: Wait = Field(default=300, description="For how long it may have more.")
    window: Seconds = Field(
        default=600, description="Seconds that events are counted over; a pause of which nobody tells for less goes on."
    )
    restarts: Count = Field(
        default=3, description="Starts of a process within restart_window that are too many, one of them within window."
    )
    restart_window: Seconds = Field(default=3600, description="Seconds that starts of a process are counted over.")
    fence_losses: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(
        default=10,
        description="Partitions taken in the middle of work, within the window, that are too many.",
    )
    rebalances: Count = Field(default=12, description="Rebalances within the window that are too many.")
    dead_seconds: Seconds = Field(default=86_400, description="How old the oldest dead letter may become.")
    dead_for: Wait = Field(default=0, description="For how long it may be older.")
    letters: Count = Field(default=1000, description="Most letters that are open.")
    letters_for: Wait = Field(default=300, description="For how long there may be more.")
    overdue_for: Wait = Field(default=300, description="For how long letters may be overdue.")
    unpublished_for: Wait = Field(default=300, description="For how long copies of letters may wait to be published.")
    new_kind_seconds: Seconds = Field(
        default=86_400, description="A kind of failure is new that was not seen for so long."
    )
    new_kind_shown: Seconds = Field(default=900, description="For how long a new one is shown.")
    away_for: Wait = Field(default=60, description="For how long a server may be away.")
    short_window: Seconds = Field(
        default=300,
        description="The same for what is shown for a shorter time: a target without resources, waits for a session.",
    )
    pool_waits: Annotated[float, Field(ge=0.01, le=10_000)] = Field(
        default=1.0, description="Most that questions of a process wait for a session, in seconds a second."
    )
    pool_for: Wait = Field(default=300, description="For how long they may wait longer.")
    control_bytes: Bytes = Field(default=20_000_000_000, description="Most bytes of the control schema.")
    control_for: Wait = Field(default=600, description="For how long it may have more.")
