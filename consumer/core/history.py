"""The columns of a history: what is said of each change beside its row."""

OPERATION = "_op"
POSITION = "_position"
SOURCE_TIME = "_source_time"
EVENT_TIME = "_event_time"
PARTITION = "_partition"
OFFSET = "_offset"
UNAVAILABLE = "_unavailable"

STAGED = {
    OPERATION: "text",
    POSITION: "int8",
    SOURCE_TIME: "timestamptz",
    EVENT_TIME: "timestamptz",
    PARTITION: "int4",
    OFFSET: "int8",
    UNAVAILABLE: "text",
}
"""Each with the type that it is staged in, which is its type in a table that is created."""
