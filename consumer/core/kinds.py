"""Every kind of failure that there is: what it touches, whether time heals it, what a person can do.

The list is closed. A failure that no rule knows is `unknown` of its scope, never a kind made up on the way.
`docs/reference/failures.md` is written from here.
"""

from dataclasses import dataclass
from enum import StrEnum


class ErrorType(StrEnum):
    """Whether doing the same again may end otherwise."""

    TRANSIENT = "transient"
    PERSISTENT = "persistent"
    UNKNOWN = "unknown"


class Scope(StrEnum):
    """What a failure costs: one record, one table, or time for everything."""

    RECORD = "record"
    TABLE = "table"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureKind:
    """One kind. `sign` is what happened, in words; `remedy` is a sentence that a person can follow."""

    name: str
    scope: Scope
    type: ErrorType
    sign: str
    remedy: str

    @property
    def page(self) -> str:
        """The page that says more: how it shows, how to put it right, how to see that it is."""
        return f"docs/runbooks/{self.name}.md"


def _kind(name: str, error_type: ErrorType, sign: str, remedy: str) -> FailureKind:
    scope = _SCOPES.get(name.split(".")[0], Scope.ENVIRONMENT)
    return FailureKind(name=name, scope=scope, type=error_type, sign=sign, remedy=remedy)


_SCOPES = {"record": Scope.RECORD, "table": Scope.TABLE, "log": Scope.TABLE}
_TRANSIENT, _PERSISTENT, _UNKNOWN = ErrorType.TRANSIENT, ErrorType.PERSISTENT, ErrorType.UNKNOWN
_PRODUCER = "Look at the record with its writer schema; if the producer was at fault, have it send the row again."
_CONVERTER = (
    "Check that the producer writes Debezium envelopes with an Avro converter and registry.url is its registry."
)
_COMPARE = "Compare the source column's type and values with the target column's, widen the target's."
_RESEND = "Ask the source for the row again (Debezium incremental snapshot of its key)."
_BY_ITSELF = "Headrace goes on by itself when it is back; look at the server and the network between."

RECORD_KINDS = (
    _kind("record.framing", _PERSISTENT, "a datum has no schema id where its topic's are", _CONVERTER),
    _kind(
        "record.format",
        _PERSISTENT,
        "a datum in another format than Avro (JSON, Protobuf, JSON Schema)",
        "Set key.converter and value.converter on the connector to an Avro converter, for example "
        "io.confluent.connect.avro.AvroConverter, and have it send the rows again (Debezium incremental snapshot).",
    ),
    _kind("record.decode", _PERSISTENT, "a datum does not decode with its writer schema to its last byte", _PRODUCER),
    _kind("record.schema_unknown", _PERSISTENT, "the registry does not know the schema id", _CONVERTER),
    _kind("record.schema", _PERSISTENT, "the schema is no Avro that can be read as a Debezium envelope", _CONVERTER),
    _kind(
        "record.no_envelope",
        _PERSISTENT,
        "the value is not a Debezium envelope",
        "Remove the topic from kafka.topics, or have its producer write Debezium envelopes.",
    ),
    _kind(
        "record.flattened",
        _PERSISTENT,
        "a transform took the row out of its envelope",
        "Remove ExtractNewRecordState (unwrap) from `transforms` of the connector, or set after.state.only=false, and "
        "have it send the rows again (Debezium incremental snapshot).",
    ),
    _kind(
        "record.operation",
        _PERSISTENT,
        "the envelope's operation is unknown",
        "Check that the topic holds Debezium envelopes.",
    ),
    _kind("record.image", _PERSISTENT, "an insert or update without its after image", _PRODUCER),
    _kind(
        "record.position",
        _PERSISTENT,
        "a change that does not say where it stands in its source's log, for a table with a version column",
        _RESEND,
    ),
    _kind(
        "record.identity",
        _PERSISTENT,
        "no key, one of another table's schema, or a key column without a value: the row can't be told from others",
        "Give the source table a primary key, or set message.key.columns on the connector.",
    ),
    _kind(
        "record.type",
        _PERSISTENT,
        "a column has numbers or bytes of a type name that is not known",
        "Exclude the column at the source, or have a transform take the name off its schema; docs/reference/types.md "
        "lists the names.",
    ),
    _kind(
        "record.checks",
        _PERSISTENT,
        "a value that breaks a check of the table's settings",
        "Correct the row at the source, or edit the letter, or change the check and send the letter again.",
    ),
    _kind(
        "record.transform",
        _PERSISTENT,
        "the table's transform can't be applied to the row",
        "Look at the row and at the transform's code; correct it, restart the workers, and send the letter again.",
    ),
    _kind("record.value", _PERSISTENT, "a value that the target column does not take", _COMPARE),
    _kind(
        "record.null",
        _PERSISTENT,
        "the target wants a value where the source has none",
        "Drop NOT NULL in the target or give the source a value.",
    ),
    _kind(
        "record.check",
        _PERSISTENT,
        "a check or view constraint of the target refuses the row",
        "Compare the target's constraints with the source's; drop what the source does not hold.",
    ),
    _kind(
        "record.reference",
        _TRANSIENT,
        "the row that it refers to is not there yet, or one that refers to it still is",
        'Apply the other table too, or drop the foreign key in the target, or set target.constraints = "trust-source".',
    ),
    _kind(
        "record.unique",
        _TRANSIENT,
        "a further unique or an exclusion constraint of the target holds another row in the way",
        "Compare the target's constraints with the source's, remove the row in the way.",
    ),
    _kind(
        "record.trigger",
        _UNKNOWN,
        "a trigger or function of the target refuses the row",
        "Look at what the trigger raises; correct it or the row.",
    ),
    _kind(
        "record.limit",
        _PERSISTENT,
        "the row is beyond a limit of the server (size of a row or of an index entry)",
        "Look at the row's size; drop the index on its long column or shorten the value.",
    ),
    _kind(
        "record.timeout",
        _TRANSIENT,
        "the target does not take the row in time, or meets a conflict at it, each time it is tried alone",
        "Look for what is slow for this row: a trigger, a missing index; then send the letter again.",
    ),
    _kind("record.missing_base", _PERSISTENT, "columns that had not changed, for a row that is not there", _RESEND),
    _kind(
        "record.nulled",
        _PERSISTENT,
        "a null that may stand for an unchanged value which the source did not send, for a row that has a value there",
        "Have the source send the row again; set REPLICA IDENTITY FULL on its table, or doubtful_nulls of the column.",
    ),
    _kind(
        "record.moved",
        _TRANSIENT,
        "columns that had not changed, for a row whose key did, and nothing is kept of its old row",
        "None while the other half of the key change is still to come; then ask the source for the row (Debezium "
        "incremental snapshot of its key).",
    ),
    _kind(
        "record.many_bases",
        _PERSISTENT,
        "an update without all columns meets several rows of its key",
        "Remove the surplus rows from the table; a unique index over the key's columns keeps them out.",
    ),
    _kind(
        "record.key_merged",
        _PERSISTENT,
        "keys that differ at the source are one key in the target, or it does not keep them as they are",
        "Give the key's columns of the table the types that they have at the source.",
    ),
    _kind(
        "record.unplaced",
        _PERSISTENT,
        "its row was not known when it failed, and its log can't show that no newer change of it was applied since",
        "Ask the source for the row again (Debezium incremental snapshot of its key), then discard the letter.",
    ),
    _kind(
        "record.gone",
        _PERSISTENT,
        "the letter only points to its record, which is not in the log any more",
        "Ask the source for the row again (Debezium incremental snapshot of its key), then discard the letter.",
    ),
    _kind(
        "record.imported",
        _PERSISTENT,
        "another consumer could not take the record; it was read from that one's dead-letter topic",
        "See what that consumer said in the record's headers (headrace dlq show --payload). Send it again if this "
        "group reads its topic; else put it right there, then discard the letter.",
    ),
    _kind(
        "record.behind",
        _TRANSIENT,
        "an older change of its row is a letter that is still open",
        "None; it is applied when the letters in front of it come to an end.",
    ),
)

TABLE_KINDS = (
    _kind(
        "table.truncate",
        _PERSISTENT,
        "the source truncated the table",
        'Set truncate of the table to "apply" or "ignore". Or truncate the target\'s table if it should be empty too, '
        "then pass the record: headrace positions set TOPIC PARTITION --to skip.",
    ),
    _kind(
        "table.held",
        _PERSISTENT,
        "too many changes of one row wait for its oldest letter",
        "Apply or discard that letter; Headrace looks again by itself.",
    ),
    _kind(
        "table.flood",
        _PERSISTENT,
        "too many records of a partition can't be applied",
        "Look at the kinds of its latest failures; correct their cause, or raise letters.flood_percent.",
    ),
    _kind(
        "table.reference",
        _TRANSIENT,
        "too many rows refer to rows that are not there, or have a value that another row still has",
        "Apply the referenced tables too, or drop the constraint in the target, or set "
        'target.constraints = "trust-source"; Headrace looks again by itself.',
    ),
    _kind(
        "table.busy",
        _TRANSIENT,
        "the target table does not take its rows in time, or meets a conflict each time",
        "Look for long transactions and slow triggers on the table; Headrace looks again by itself.",
    ),
    _kind(
        "table.moved",
        _TRANSIENT,
        "too much would be kept of rows whose key changed",
        "See that the other partitions of the topic go on, where the creates are that take it; or raise "
        "target.max_moved_rows or target.max_moved_bytes. Headrace looks again by itself.",
    ),
    _kind(
        "table.trigger",
        _TRANSIENT,
        "a trigger or function of the target raises what a server in trouble would say",
        "Look at what it raises, and whether what it calls is there; Headrace looks again by itself.",
    ),
    _kind(
        "table.paused",
        _TRANSIENT,
        "a person has paused the table, the topic or the partition",
        "Resume it when the time has come: headrace tables resume.",
    ),
    _kind(
        "table.schema",
        _PERSISTENT,
        "the target table can't follow a change of its source by itself",
        "Look at the plan: headrace schema plan. Change the table by hand, or the settings of [evolution]; Headrace "
        "looks again by itself.",
    ),
    _kind(
        "table.approval",
        _PERSISTENT,
        "a change of the target table waits for a person",
        "Look at the plan and agree: headrace schema plan, then headrace schema apply TABLE. Or change the table by "
        "hand; Headrace looks again by itself.",
    ),
    _kind(
        "table.letters",
        _PERSISTENT,
        "open letters know their rows by types that the table's key had before",
        "Send these letters again or discard them, or give the key's columns their old types back; Headrace looks "
        "again by itself.",
    ),
    _kind("table.missing", _PERSISTENT, "the target table is not there", "Create it, or set target.create = true."),
    _kind(
        "table.privilege",
        _PERSISTENT,
        "the role of target.dsn lacks a privilege on the table",
        "Grant it; Headrace looks again by itself.",
    ),
    _kind(
        "table.shape",
        _PERSISTENT,
        "the target table does not fit its topic",
        "Compare their columns; add what is missing to the target, or exclude it at the source.",
    ),
    _kind(
        "table.contract",
        _PERSISTENT,
        "the writer schema does not fit the topic's contract",
        "Have the source undo the change, or agree on a new contract and restart the worker with it; nothing of the "
        "new schema was applied.",
    ),
    _kind(
        "table.settings",
        _PERSISTENT,
        "the table's settings do not fit its topic's columns",
        "Correct what the message names in the table's settings, then restart the workers.",
    ),
    _kind(
        "table.identity",
        _PERSISTENT,
        "the target has no unique index over exactly the key's columns",
        "Create one: valid, immediate, not partial, all columns NOT NULL; for example the primary key.",
    ),
    _kind(
        "table.shared",
        _PERSISTENT,
        "another topic is applied to the same table",
        "Give each topic a table of its own by target.table, for example with {topic} in it. If the other topic is "
        "gone for good, remove the table's row from headrace.target_tables.",
    ),
    _kind(
        "table.tombstones",
        _PERSISTENT,
        "a compacted topic begins with a tombstone, and its table is not known yet",
        "Start the group before compaction, or have the source snapshot the table again.",
    ),
    _kind(
        "table.unknown",
        _UNKNOWN,
        "the target refused the statement for a reason without a rule",
        "Look its SQLSTATE up in the server's log and correct what it says; Headrace looks again by itself.",
    ),
    _kind(
        "log.out_of_range",
        _PERSISTENT,
        "the stored position is not in the log",
        "The records were deleted before they were read. Have the source snapshot the table again, and go on: headrace "
        "positions set TOPIC PARTITION --to earliest.",
    ),
    _kind(
        "log.recreated",
        _PERSISTENT,
        "the topic was deleted and created again",
        "Compare the target with the source, then begin the topic anew: headrace positions set TOPIC PARTITION --to "
        "earliest.",
    ),
    _kind(
        "log.truncated",
        _PERSISTENT,
        "the log was cut in front of the stored position: records that were read are gone from it",
        "Find out where it was cut, compare the target with the source, then go on there: headrace positions set TOPIC "
        "PARTITION --to OFFSET.",
    ),
    _kind(
        "log.unreadable",
        _PERSISTENT,
        "the client can't read the records at the stored position",
        "Look at the broker's log for damaged segments; have the source send the rows again, then go on behind the "
        "damage: headrace positions set TOPIC PARTITION --to OFFSET.",
    ),
)

DEPENDENT = frozenset({"record.reference", "record.unique", "record.moved"})
"""Kinds of rows that are refused because of other rows, which may come or go."""

TOO_DEPENDENT = "table.reference"
"""The kind of a flood of them."""

TOO_MUCH_MOVED = "table.moved"
"""The kind of a partition that goes on when creates in others have taken what is kept for them."""

BUSY = frozenset({"target.timeout", "target.locked", "target.conflict"})
"""Kinds of failure in which the table at hand may be alone."""

ENVIRONMENT_KINDS = (
    _kind("target.connection", _TRANSIENT, "the target does not answer or ended the session", _BY_ITSELF),
    _kind(
        "target.resources",
        _TRANSIENT,
        "the target is out of a resource (disk, memory, connections)",
        "Give the server what it lacks; Headrace goes on by itself.",
    ),
    _kind(
        "target.session",
        _TRANSIENT,
        "what a session had prepared is gone or outdated: statements, or staging tables",
        "None, a new session is opened; if it comes again and again, look for what runs DISCARD or DEALLOCATE there.",
    ),
    _kind(
        "target.pool",
        _TRANSIENT,
        "no session for a short question was free in time",
        "Raise target.pool_size, or look for long locks on what the sessions wait for.",
    ),
    _kind("target.timeout", _TRANSIENT, "a statement ran into its timeout", "Look for long locks and slow triggers."),
    _kind("target.locked", _TRANSIENT, "a lock was not granted in time", "Look for long transactions on the table."),
    _kind("target.conflict", _TRANSIENT, "another transaction was in the way", "None; the batch is repeated."),
    _kind(
        "target.read_only",
        _TRANSIENT,
        "the target takes no writes, as after a failover",
        "Point target.dsn at the primary, or wait until the server is it; Headrace goes on by itself.",
    ),
    _kind("target.system", _TRANSIENT, "the server's own system failed it (disk, files)", "Read the server's log."),
    _kind(
        "target.commit",
        _TRANSIENT,
        "COMMIT was answered with something else",
        "None; nothing was written and the batch is repeated.",
    ),
    _kind(
        "target.login",
        _PERSISTENT,
        "the target refuses user, password or database",
        "Check target.dsn and the server's pg_hba.conf.",
    ),
    _kind(
        "target.tls",
        _TRANSIENT,
        "no secure connection to the target: a certificate, a name in it or its time does not fit",
        "Compare sslmode, sslrootcert, sslcert and host in target.dsn with the server's certificate and its time; "
        "Headrace goes on by itself once they fit.",
    ),
    _kind(
        "target.pooler",
        _PERSISTENT,
        "target.dsn leads to a transaction pooler, but staging tables need a session of their own",
        "Point target.dsn at the server itself, or at a pooler in session mode.",
    ),
    _kind(
        "target.newer",
        _PERSISTENT,
        "the control schema is of a newer Headrace that is a break",
        "Install the newer Headrace that migrated it.",
    ),
    _kind(
        "target.older",
        _PERSISTENT,
        "the control schema is of an older Headrace, or not there",
        "Run headrace migrate, or start a worker of this version, which does the same.",
    ),
    _kind("registry.away", _TRANSIENT, "the registry does not answer or not with a schema", _BY_ITSELF),
    _kind("registry.status", _TRANSIENT, "the registry answered with a status that is no schema", _BY_ITSELF),
    _kind(
        "registry.refused",
        _TRANSIENT,
        "the registry refuses the credentials",
        "Check registry.user and its password, or registry.token, and the rights there; Headrace looks again by "
        "itself.",
    ),
    _kind(
        "registry.tls",
        _TRANSIENT,
        "no secure connection to the registry: its certificate, a name in it or its time does not fit",
        "Compare registry.ca_file and the host in registry.url with the registry's certificate and its time; Headrace "
        "goes on by itself once they fit.",
    ),
    _kind(
        "connect.tls",
        _TRANSIENT,
        "no secure connection to Kafka Connect: its certificate, a name in it or its time does not fit",
        "Compare connect.ca_file and the host in connect.url with the certificate and its time. Nothing else waits for "
        "it.",
    ),
    _kind(
        "connect.away",
        _TRANSIENT,
        "no answer of Kafka Connect, or one that it should not give",
        "Check connect.url, and look at Kafka Connect and the network between. Nothing else waits for it.",
    ),
    _kind(
        "connect.refused",
        _PERSISTENT,
        "the credentials for Kafka Connect are refused",
        "Check connect.user and its password, and what they may do there.",
    ),
    _kind(
        "source.away",
        _TRANSIENT,
        "the source's database does not answer, or not in time",
        "Check source.dsn and the network between; nothing but comparisons waits for it, and they go on by themselves.",
    ),
    _kind(
        "source.refused",
        _PERSISTENT,
        "the source's database refuses the role of source.dsn, or what is asked of it",
        "Check source.dsn and source.slot, and give the role what deploy/postgres/reconcile-role.sql gives.",
    ),
    _kind(
        "server.away",
        _TRANSIENT,
        "the API that --server names does not answer, or has no answer at the moment",
        "Check --server, that headrace admin serve runs there, and the network between; then ask again.",
    ),
    _kind(
        "server.refused",
        _PERSISTENT,
        "the API that --server names does not know the token",
        "Check HEADRACE_TOKEN or --token-file.",
    ),
    _kind(
        "server.unfit",
        _PERSISTENT,
        "what --server names is not this version's API, or its certificate is not trusted",
        "Check --server (the base, without /api/v1) and --ca-file, and that both sides have the same version.",
    ),
    _kind(
        "oidc.away",
        _TRANSIENT,
        "the provider that people log in at does not answer",
        "Check admin.oidc.issuer, and look at the provider and the network between; tokens of admin.tokens still work.",
    ),
    _kind(
        "oidc.refused",
        _PERSISTENT,
        "the provider that people log in at refuses Headrace, or is not what admin.oidc says",
        "Compare admin.oidc (issuer, client, secret) and admin.url with what the provider has for this client.",
    ),
    _kind("kafka.away", _TRANSIENT, "the cluster does not answer", _BY_ITSELF),
    _kind(
        "kafka.tls",
        _TRANSIENT,
        "no secure connection to the brokers: a certificate, a name in it or its time does not fit",
        "Compare ssl.ca.location, ssl.certificate.location and security.protocol in kafka.client, and the names in "
        "kafka.bootstrap_servers, with the brokers' certificates and their time; Headrace goes on by itself once they "
        "fit.",
    ),
    _kind(
        "kafka.refused",
        _PERSISTENT,
        "the cluster refuses the client's credentials",
        "Correct them in kafka.client, then start again.",
    ),
    _kind(
        "kafka.forbidden",
        _TRANSIENT,
        "the cluster's access rules forbid what Headrace asks",
        "Grant reading and describing the topics, and reading as the group; Headrace looks again by itself.",
    ),
    _kind(
        "kafka.unknown",
        _UNKNOWN,
        "the cluster answered with an error that no rule knows",
        "Look the code up in Kafka's protocol errors and in the broker's log; Headrace asks again by itself.",
    ),
    _kind(
        "kafka.no_topic",
        _TRANSIENT,
        "a topic is gone while records of it are still to be applied",
        "Create it again, or restart the worker, which then leaves it out.",
    ),
    _kind(
        "kafka.letters",
        _TRANSIENT,
        "the topics of letters can't be made, or do not take their copies",
        "Make the topics by hand, or grant creating, describing and writing them. Letters stay in the database, and "
        "their copies are published later.",
    ),
    _kind(
        "kafka.configuration",
        _PERSISTENT,
        "librdkafka refuses the settings",
        "Correct kafka.client and kafka.bootstrap_servers.",
    ),
    _kind("kafka.fatal", _PERSISTENT, "the client can't go on", "The process ends and is started again; read the log."),
    _kind(
        "worker.stalled",
        _TRANSIENT,
        "a loop has not turned in time",
        "The process ends so that another takes its partitions; look at the log lines before this one.",
    ),
    _kind("worker.settings", _PERSISTENT, "settings that can't work", "Correct what the message names."),
    _kind("worker.defect", _PERSISTENT, "something that should not happen", "Report it with the log."),
)

KINDS: dict[str, FailureKind] = {kind.name: kind for kind in (*RECORD_KINDS, *TABLE_KINDS, *ENVIRONMENT_KINDS)}
