"""From what the servers say to a kind of failure: SQLSTATE, librdkafka's code, HTTP status.

PostgreSQL's codes go by the longest prefix: the exceptions to a class first, then the class (appendix A of its
documentation). What no rule knows is `unknown` and never the worst or the best case.
"""

from consumer.core.failure import Failure
from consumer.core.failure_kind import FailureKind, Scope
from consumer.core.kinds import BUSY, KINDS

_LEFT_IDLE = "25P03"

BY_SQLSTATE = {
    "08": "target.connection",
    # a binary value that the column's input function can't take
    "08P01": "record.value",
    "21000": "record.key_merged",
    "22": "record.value",
    "23": "record.check",
    "23001": "record.reference",
    "23502": "record.null",
    "23503": "record.reference",
    "23505": "record.unique",
    "23P01": "record.unique",
    "25006": "target.read_only",
    "25P": "target.timeout",
    "28": "target.login",
    "3D000": "target.login",
    "3F000": "table.missing",
    "40": "target.conflict",
    "42": "table.shape",
    "42501": "table.privilege",
    "42P01": "table.missing",
    "0A000": "table.shape",
    "44": "record.check",
    "53": "target.resources",
    "54": "record.limit",
    "55P03": "target.locked",
    "57014": "target.timeout",
    "57P": "target.connection",
    "58": "target.system",
    "P0": "record.trigger",
}
# the server itself says so only of a session that it ends, or does not begin
OF_SESSIONS = frozenset({"target.connection", "target.login"})
REFUSED = frozenset({"_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM"})
TLS = frozenset({"_SSL"})
FORBIDDEN = frozenset({"TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"})
OUT_OF_RANGE = frozenset({"_AUTO_OFFSET_RESET", "OFFSET_OUT_OF_RANGE", "_LOG_TRUNCATION"})
# the client goes on behind what it can't read
UNREADABLE = frozenset({"_BAD_MSG", "_BAD_COMPRESSION", "_NOT_IMPLEMENTED", "MSG_SIZE_TOO_LARGE"})
# what a cluster says while it is starting, moving or loaded, or of a member that is to join again
FOR_NOW = frozenset(
    {
        "BROKER_NOT_AVAILABLE",
        "COORDINATOR_LOAD_IN_PROGRESS",
        "COORDINATOR_NOT_AVAILABLE",
        "ELIGIBLE_LEADERS_NOT_AVAILABLE",
        "FENCED_LEADER_EPOCH",
        "FENCED_MEMBER_EPOCH",
        "FETCH_SESSION_ID_NOT_FOUND",
        "ILLEGAL_GENERATION",
        "INVALID_FETCH_SESSION_EPOCH",
        "INCONSISTENT_TOPIC_ID",
        "KAFKA_STORAGE_ERROR",
        "LEADER_NOT_AVAILABLE",
        "NETWORK_EXCEPTION",
        "NOT_CONTROLLER",
        "NOT_COORDINATOR",
        "NOT_ENOUGH_REPLICAS",
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        "NOT_LEADER_FOR_PARTITION",
        "OFFSET_NOT_AVAILABLE",
        "PREFERRED_LEADER_NOT_AVAILABLE",
        "REBALANCE_IN_PROGRESS",
        "REPLICA_NOT_AVAILABLE",
        "REQUEST_TIMED_OUT",
        "STALE_MEMBER_EPOCH",
        "THROTTLING_QUOTA_EXCEEDED",
        "UNKNOWN_LEADER_EPOCH",
        "UNKNOWN_MEMBER_ID",
        "UNKNOWN_TOPIC_ID",
        "UNKNOWN_TOPIC_OR_PART",
        "UNSTABLE_OFFSET_COMMIT",
    }
)


def of_sqlstate(state: str, *, in_code: bool = False, chosen: bool = False, ended: bool = True) -> FailureKind:
    """The kind of a PostgreSQL error by its five characters.

    `in_code`: of a trigger or function, which may have states of its own and speaks of its row. `chosen`: a statement
    of that code gave the error its state. `ended`: the session is over.
    """
    unknown = "record.trigger" if in_code else "table.unknown"
    kind = KINDS[next((BY_SQLSTATE[p] for p in (state, state[:3], state[:2]) if p in BY_SQLSTATE), unknown)]
    of_server = kind.scope is Scope.ENVIRONMENT and kind.name not in BUSY
    # a server in trouble is waited for without end; this one speaks of another, or there is none
    if in_code and of_server and (chosen or (not ended and kind.name in OF_SESSIONS)):
        return KINDS["table.trigger"]
    return kind


def of_kafka(code: str, *, fatal: bool) -> FailureKind:
    """The kind of a librdkafka error by its code's name (its own ones begin with an underscore)."""
    if code in REFUSED:
        return KINDS["kafka.refused"]
    if code in TLS:
        return KINDS["kafka.tls"]
    # what a consumer's poll returns has the code and not the flag
    if fatal or code == "_FATAL":
        return KINDS["kafka.fatal"]
    if code in OUT_OF_RANGE:
        return KINDS["log.out_of_range"]
    if code in UNREADABLE:
        return KINDS["log.unreadable"]
    if code in FORBIDDEN:
        return KINDS["kafka.forbidden"]
    return KINDS["kafka.away" if code.startswith("_") or code in FOR_NOW else "kafka.unknown"]


def of_status(status: int) -> FailureKind:
    """The kind of a registry's answer that is neither a schema nor that there is none, by its HTTP status."""
    return KINDS["registry.refused" if status in (401, 403) else "registry.status"]


def may_be_the_tables(failure: Failure) -> bool:
    """Whether the table at hand may be the reason why it was not written in time.

    It is not where the transaction was left idle: then the server stood still, or this process.
    """
    return failure.kind in BUSY and failure.code != _LEFT_IDLE


def met_conflict(failure: Failure) -> bool:
    """Whether a record that was not taken in time met another transaction at each try, and was not slow itself."""
    return failure.kind == "record.timeout" and of_sqlstate(failure.code).name == "target.conflict"
