"""What the servers say becomes a kind."""

import pytest

from consumer.core.classify import BY_SQLSTATE, of_kafka, of_sqlstate, of_status
from consumer.core.failure_kind import ErrorType, Scope
from consumer.core.kinds import KINDS


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("22003", "record.value"),
        ("23505", "record.unique"),
        ("23P01", "record.unique"),
        ("08006", "target.connection"),
        ("08P01", "record.value"),
        ("57P03", "target.connection"),
        ("57014", "target.timeout"),
        ("57000", "table.unknown"),
        ("25P02", "target.timeout"),
        ("25001", "table.unknown"),
        ("40P01", "target.conflict"),
        ("42P01", "table.missing"),
        ("42703", "table.shape"),
        ("XX001", "table.unknown"),
    ],
)
def test_the_longest_prefix_of_a_sqlstate_counts(state: str, kind: str) -> None:
    """Exceptions to a class first, then the class; what no rule knows is unknown."""
    assert of_sqlstate(state).name == kind


@pytest.mark.parametrize(
    ("state", "how", "kind"),
    [
        ("53100", {"in_code": True, "chosen": True, "ended": False}, "table.trigger"),
        ("53100", {"in_code": True, "ended": False}, "target.resources"),
        ("53100", {"chosen": True, "ended": False}, "target.resources"),
        ("08001", {"in_code": True, "ended": False}, "table.trigger"),
        ("08006", {"ended": False}, "target.connection"),
        ("57P01", {"in_code": True}, "target.connection"),
        ("28000", {"in_code": True, "ended": False}, "table.trigger"),
        ("25006", {"in_code": True, "chosen": True, "ended": False}, "table.trigger"),
        ("40001", {"in_code": True, "chosen": True, "ended": False}, "target.conflict"),
        ("57014", {"in_code": True, "chosen": True, "ended": False}, "target.timeout"),
        ("23514", {"in_code": True, "chosen": True, "ended": False}, "record.check"),
        ("MY001", {"in_code": True, "chosen": True, "ended": False}, "record.trigger"),
    ],
)
def test_what_code_of_the_target_says_of_a_server_is_the_tables(state: str, how: dict[str, bool], kind: str) -> None:
    """If it chose the state itself, or lives on behind what ends a session; all else is believed."""
    assert of_sqlstate(state, **how).name == kind


@pytest.mark.parametrize(
    ("code", "fatal", "kind"),
    [
        ("_TRANSPORT", False, "kafka.away"),
        ("_ALL_BROKERS_DOWN", False, "kafka.away"),
        ("NOT_COORDINATOR", False, "kafka.away"),
        ("UNKNOWN_TOPIC_ID", False, "kafka.away"),
        ("POLICY_VIOLATION", False, "kafka.unknown"),
        ("INCONSISTENT_GROUP_PROTOCOL", False, "kafka.unknown"),
        ("_FENCED", True, "kafka.fatal"),
        ("_FATAL", False, "kafka.fatal"),
        ("_AUTHENTICATION", True, "kafka.refused"),
        ("TOPIC_AUTHORIZATION_FAILED", False, "kafka.forbidden"),
        ("OFFSET_OUT_OF_RANGE", False, "log.out_of_range"),
        ("_BAD_COMPRESSION", False, "log.unreadable"),
    ],
)
def test_a_code_of_the_client_and_its_fatal_flag_decide(code: str, fatal: bool, kind: str) -> None:
    """Credentials are named even when they are fatal."""
    assert of_kafka(code, fatal=fatal).name == kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, "registry.status"),
        (401, "registry.refused"),
        (403, "registry.refused"),
        (429, "registry.status"),
        (503, "registry.status"),
    ],
)
def test_a_status_of_the_registry_decides(status: int, kind: str) -> None:
    """By itself none is the record's fault: whoever stands in front of a registry has a 404, too."""
    assert of_status(status).name == kind


def test_every_kind_says_what_happened_and_what_to_do() -> None:
    """In words that stand in a table and in a log line."""
    for kind in KINDS.values():
        assert kind.sign[0].islower() or kind.sign.startswith(("COMMIT", "target."))
        assert not kind.sign.endswith(".")
        assert kind.remedy[0].isupper()
        assert kind.remedy.endswith(".")


def test_the_name_of_a_kind_says_its_scope() -> None:
    """Record, table and log; everything else is of the environment, where only another's protocol is left unknown."""
    scopes = {"record": Scope.RECORD, "table": Scope.TABLE, "log": Scope.TABLE}
    for name, kind in KINDS.items():
        assert kind.scope is scopes.get(name.split(".")[0], Scope.ENVIRONMENT)
        assert (kind.scope, kind.type) != (Scope.ENVIRONMENT, ErrorType.UNKNOWN) or name == "kafka.unknown"
    assert set(BY_SQLSTATE.values()) <= KINDS.keys()
