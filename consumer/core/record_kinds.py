"""Kinds of failure that cost one record."""

from consumer.core.failure_kind import PERSISTENT, TRANSIENT, UNKNOWN, kind

_PRODUCER = "Look at the record with its writer schema; if the producer was at fault, have it send the row again."
_CONVERTER = (
    "Check that the producer writes Debezium envelopes with an Avro converter and registry.url is its registry."
)
_COMPARE = "Compare the source column's type and values with the target column's, widen the target's."
_RESEND = "Ask the source for the row again (Debezium incremental snapshot of its key)."

RECORD_KINDS = (
    kind("record.framing", PERSISTENT, "a datum has no schema id where its topic's are", _CONVERTER),
    kind(
        "record.format",
        PERSISTENT,
        "a datum in another format than Avro (JSON, Protobuf, JSON Schema)",
        "Set key.converter and value.converter on the connector to an Avro converter, for example "
        "io.confluent.connect.avro.AvroConverter, and have it send the rows again (Debezium incremental snapshot).",
    ),
    kind("record.decode", PERSISTENT, "a datum does not decode with its writer schema to its last byte", _PRODUCER),
    kind("record.schema_unknown", PERSISTENT, "the registry does not know the schema id", _CONVERTER),
    kind("record.schema", PERSISTENT, "the schema is no Avro that can be read as a Debezium envelope", _CONVERTER),
    kind(
        "record.no_envelope",
        PERSISTENT,
        "the value is not a Debezium envelope",
        "Remove the topic from kafka.topics, or have its producer write Debezium envelopes.",
    ),
    kind(
        "record.flattened",
        PERSISTENT,
        "a transform took the row out of its envelope",
        "Remove ExtractNewRecordState (unwrap) from `transforms` of the connector, or set after.state.only=false, and "
        "have it send the rows again (Debezium incremental snapshot).",
    ),
    kind(
        "record.operation",
        PERSISTENT,
        "the envelope's operation is unknown",
        "Check that the topic holds Debezium envelopes.",
    ),
    kind("record.image", PERSISTENT, "an insert or update without its after image", _PRODUCER),
    kind(
        "record.position",
        PERSISTENT,
        "a change that does not say where it stands in its source's log, for a table with a version column",
        _RESEND,
    ),
    kind(
        "record.identity",
        PERSISTENT,
        "no key, one of another table's schema, or a key column without a value: the row can't be told from others",
        "Give the source table a primary key, or set message.key.columns on the connector, to columns of the table's "
        "replica identity.",
    ),
    kind(
        "record.type",
        PERSISTENT,
        "a column has numbers or bytes of a type name that is not known",
        "Exclude the column at the source, or have a transform take the name off its schema; docs/reference/types.md "
        "lists the names.",
    ),
    kind(
        "record.checks",
        PERSISTENT,
        "a value that breaks a check of the table's settings",
        "Correct the row at the source, or edit the letter, or change the check and send the letter again.",
    ),
    kind(
        "record.transform",
        PERSISTENT,
        "the table's transform can't be applied to the row",
        "Look at the row and at the transform's code; correct it, restart the workers, and send the letter again.",
    ),
    kind("record.value", PERSISTENT, "a value that the target column does not take", _COMPARE),
    kind(
        "record.null",
        PERSISTENT,
        "the target wants a value where the source has none",
        "Drop NOT NULL in the target or give the source a value.",
    ),
    kind(
        "record.check",
        PERSISTENT,
        "a check or view constraint of the target refuses the row",
        "Correct the value and send the letter again; or drop the constraint, if the source does not hold it either.",
    ),
    kind(
        "record.reference",
        TRANSIENT,
        "the row that it refers to is not there yet, or one that refers to it still is",
        'Apply the other table too, or drop the foreign key in the target, or set target.constraints = "trust-source".',
    ),
    kind(
        "record.unique",
        TRANSIENT,
        "a further unique or an exclusion constraint of the target holds another row in the way",
        "Compare the target's constraints with the source's, remove the row in the way.",
    ),
    kind(
        "record.trigger",
        UNKNOWN,
        "a trigger or function of the target refuses the row",
        "Look at what the trigger raises; correct it or the row.",
    ),
    kind(
        "record.limit",
        PERSISTENT,
        "the row is beyond a limit of the server (size of a row or of an index entry)",
        "Look at the row's size; drop the index on its long column or shorten the value.",
    ),
    kind(
        "record.timeout",
        TRANSIENT,
        "the target does not take the row in time, or meets a conflict at it, each time it is tried alone",
        "Look for what is slow for this row: a trigger, a missing index; then send the letter again.",
    ),
    kind("record.missing_base", PERSISTENT, "columns that had not changed, for a row that is not there", _RESEND),
    kind(
        "record.nulled",
        PERSISTENT,
        "a null that may stand for an unchanged value which the source did not send, for a row that has a value there",
        "Have the source send the row again; set REPLICA IDENTITY FULL on its table, or doubtful_nulls of the column.",
    ),
    kind(
        "record.moved",
        TRANSIENT,
        "columns that had not changed, for a row whose key did, and nothing is kept of its old row",
        "None while the other half of the key change is still to come; then ask the source for the row (Debezium "
        "incremental snapshot of its key).",
    ),
    kind(
        "record.many_bases",
        PERSISTENT,
        "an update without all columns meets several rows of its key",
        "Remove the surplus rows from the table; a unique index over the key's columns keeps them out.",
    ),
    kind(
        "record.key_merged",
        PERSISTENT,
        "keys that differ at the source are one key in the target, or it does not keep them as they are",
        "Give the key's columns of the table the types that they have at the source.",
    ),
    kind(
        "record.unplaced",
        PERSISTENT,
        "its row was not known when it failed, and its log can't show that no newer change of it was applied since",
        "Ask the source for the row again (Debezium incremental snapshot of its key), then discard the letter.",
    ),
    kind(
        "record.gone",
        PERSISTENT,
        "the letter only points to its record, which is not in the log any more",
        "Ask the source for the row again (Debezium incremental snapshot of its key), then discard the letter.",
    ),
    kind(
        "record.imported",
        PERSISTENT,
        "another consumer could not take the record; it was read from that one's dead-letter topic",
        "See what that consumer said in the record's headers (headrace dlq show --payload). Send it again if this "
        "group reads its topic; else put it right there, then discard the letter.",
    ),
    kind(
        "record.behind",
        TRANSIENT,
        "an older change of its row is a letter that is still open",
        "None; it is applied when the letters in front of it come to an end.",
    ),
)
