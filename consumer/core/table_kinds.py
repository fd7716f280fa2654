"""Kinds of failure that cost a table or its log."""

from consumer.core.failure_kind import PERSISTENT, TRANSIENT, UNKNOWN, kind

TABLE_KINDS = (
    kind(
        "table.truncate",
        PERSISTENT,
        "the source truncated the table",
        'Set truncate of the table to "apply" or "ignore". Or truncate the target\'s table if it should be empty too, '
        "then pass the record: headrace positions set TOPIC PARTITION --to skip.",
    ),
    kind(
        "table.held",
        PERSISTENT,
        "too many changes of one row wait for its oldest letter",
        "Apply or discard that letter; Headrace looks again by itself.",
    ),
    kind(
        "table.flood",
        PERSISTENT,
        "too many records of a partition can't be applied",
        "Look at the kinds of its latest failures; correct their cause, or raise letters.flood_percent.",
    ),
    kind(
        "table.reference",
        TRANSIENT,
        "too many rows refer to rows that are not there, or have a value that another row still has",
        "Apply the referenced tables too, or drop the constraint in the target, or set "
        'target.constraints = "trust-source"; Headrace looks again by itself.',
    ),
    kind(
        "table.busy",
        TRANSIENT,
        "the target table does not take its rows in time, or meets a conflict each time",
        "Look for long transactions and slow triggers on the table; Headrace looks again by itself.",
    ),
    kind(
        "table.moved",
        TRANSIENT,
        "too much would be kept of rows whose key changed",
        "See that the other partitions of the topic go on, where the creates are that take it; or raise "
        "target.max_moved_rows or target.max_moved_bytes. Headrace looks again by itself.",
    ),
    kind(
        "table.trigger",
        TRANSIENT,
        "a trigger or function of the target raises what a server in trouble would say",
        "Look at what it raises, and whether what it calls is there; Headrace looks again by itself.",
    ),
    kind(
        "table.paused",
        TRANSIENT,
        "a person has paused the table, the topic or the partition",
        "Resume it when the time has come: headrace tables resume.",
    ),
    kind(
        "table.schema",
        PERSISTENT,
        "the target table can't follow a change of its source by itself",
        "Look at the plan: headrace schema plan. Change the table by hand, or the settings of [evolution]; Headrace "
        "looks again by itself.",
    ),
    kind(
        "table.approval",
        PERSISTENT,
        "a change of the target table waits for a person",
        "Look at the plan and agree: headrace schema plan, then headrace schema apply TABLE. Or change the table by "
        "hand; Headrace looks again by itself.",
    ),
    kind(
        "table.letters",
        PERSISTENT,
        "open letters know their rows by types that the table's key had before",
        "Send these letters again or discard them, or give the key's columns their old types back; Headrace looks "
        "again by itself.",
    ),
    kind("table.missing", PERSISTENT, "the target table is not there", "Create it, or set target.create = true."),
    kind(
        "table.privilege",
        PERSISTENT,
        "the role of target.dsn lacks a privilege on the table",
        "Grant it; Headrace looks again by itself.",
    ),
    kind(
        "table.shape",
        PERSISTENT,
        "the target table does not fit its topic",
        "Compare their columns; add what is missing to the target, or exclude it at the source.",
    ),
    kind(
        "table.contract",
        PERSISTENT,
        "the writer schema does not fit the topic's contract",
        "Have the source undo the change, or agree on a new contract and restart the worker with it; nothing of the "
        "new schema was applied.",
    ),
    kind(
        "table.settings",
        PERSISTENT,
        "the table's settings do not fit its topic's columns",
        "Correct what the message names in the table's settings, then have the workers read them again (SIGHUP, or "
        "headrace workers reload).",
    ),
    kind(
        "table.identity",
        PERSISTENT,
        "the target has no unique index over exactly the key's columns",
        "Create one: valid, immediate, not partial, all columns NOT NULL; for example the primary key.",
    ),
    kind(
        "table.shared",
        PERSISTENT,
        "another topic is applied to the same table",
        "Give each topic a table of its own by target.table, for example with {topic} in it. If the other topic is "
        "gone for good, remove the table's row from headrace.target_tables.",
    ),
    kind(
        "table.renamed",
        PERSISTENT,
        "the topic was applied to a table of another name before, which is still there",
        "Give the topic its table of before in the settings; or, while the topic is paused, give the table the new "
        "name, or another one if its rows are in the new table already. Headrace looks again by itself.",
    ),
    kind(
        "table.mixed",
        PERSISTENT,
        "the topic holds changes of several tables of the source",
        "Give each table of the source a topic of its own. If all of them are meant to be one table, as parts of a "
        "partitioned one are, name it by table of the topic; their keys must not meet.",
    ),
    kind(
        "table.tombstones",
        PERSISTENT,
        "a compacted topic begins with a tombstone, and its table is not known yet",
        "Start the group before compaction, or have the source snapshot the table again.",
    ),
    kind(
        "table.unknown",
        UNKNOWN,
        "the target refused the statement for a reason without a rule",
        "Look its SQLSTATE up in the server's log and correct what it says; Headrace looks again by itself.",
    ),
    kind(
        "log.out_of_range",
        PERSISTENT,
        "the stored position is not in the log",
        "The records were deleted before they were read. Have the source snapshot the table again, and go on: headrace "
        "positions set TOPIC PARTITION --to earliest.",
    ),
    kind(
        "log.recreated",
        PERSISTENT,
        "the topic was deleted and created again",
        "Compare the target with the source, then begin the topic anew: headrace positions set TOPIC PARTITION --to "
        "earliest.",
    ),
    kind(
        "log.truncated",
        PERSISTENT,
        "the log was cut in front of the stored position: records that were read are gone from it",
        "Find out where it was cut, compare the target with the source, then go on there: headrace positions set TOPIC "
        "PARTITION --to OFFSET.",
    ),
    kind(
        "log.unreadable",
        PERSISTENT,
        "the client can't read the records at the stored position",
        "Look at the broker's log for damaged segments; have the source send the rows again, then go on behind the "
        "damage: headrace positions set TOPIC PARTITION --to OFFSET.",
    ),
)
