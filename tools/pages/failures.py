"""The failures page, from `consumer.core.kinds` and `consumer.core.classify`."""

from consumer.core import classify
from consumer.core.environment_kinds import ENVIRONMENT_KINDS
from consumer.core.failure_kind import FailureKind
from consumer.core.record_kinds import RECORD_KINDS
from consumer.core.table_kinds import TABLE_KINDS
from tools.pages.markdown import code, codes, page, table

_INTRO = """\
Every failure of the service is of one kind, and the list of kinds is closed. The kind stands in the log (`kind`) and in
`headrace.positions.stopped`, with the sentence that says what to do. *Transient*: time may heal it, so it is tried
again. *Persistent*: the same input fails again. *Unknown*: no rule says which.

Each kind has a page: how it shows, how to put it right, how to see that it is."""
_RECORD = "One record can't be applied. It becomes a letter, and the rest flows on."
_TABLE = "A table or its log is at fault. Its partitions stop, the others go on."
_ENVIRONMENT = "A server or the process is at fault. Transient ones cost time: they are waited for with backoff."
_SQLSTATE = """\
The longest prefix counts: the whole code, then its first three characters, then its class. A state that is not listed
is `table.unknown`, or `record.trigger` if it arose in code of the target, such as a trigger. What stands for a server
in trouble is `table.trigger` if a `RAISE` of such code chose it, or if it stands for a session that is over and this
one goes on. Where staging tables are made or dropped no record is at fault: what code of the target raises there is
`target.staging`, but for what is waited for anyway. Before a refusal is believed the catalog is read anew and the batch
is tried once more."""
_KAFKA = """\
Credentials that are refused are `kafka.refused`, other fatal errors `kafka.fatal`, and what is not listed
`kafka.away`."""


def failures_page() -> str:
    """The page."""
    return page(
        "Failures",
        _INTRO,
        "## Of a record\n\n" + _RECORD + "\n\n" + _kinds(RECORD_KINDS),
        "## Of a table or a log\n\n" + _TABLE + "\n\n" + _kinds(TABLE_KINDS),
        "## Of the environment\n\n" + _ENVIRONMENT + "\n\n" + _kinds(ENVIRONMENT_KINDS),
        "## By SQLSTATE\n\n" + _SQLSTATE + "\n\n" + _states(),
        "## By librdkafka's code\n\n" + _KAFKA + "\n\n" + _codes(),
    )


def _kinds(kinds: tuple[FailureKind, ...]) -> str:
    rows = [[_linked(kind), kind.type.value, kind.sign, kind.remedy] for kind in kinds]
    return table(["kind", "type", "what happened", "what to do"], rows)


def _linked(kind: FailureKind) -> str:
    return f"[{code(kind.name)}](../{kind.page.removeprefix('docs/')})"


def _states() -> str:
    return table(
        ["SQLSTATE", "kind"], [[code(state), code(kind)] for state, kind in sorted(classify.BY_SQLSTATE.items())]
    )


def _codes() -> str:
    groups = (classify.REFUSED, classify.TLS, classify.FORBIDDEN, classify.OUT_OF_RANGE, classify.UNREADABLE)
    rows = [[codes(sorted(group)), code(classify.of_kafka(min(group), fatal=False).name)] for group in groups]
    return table(["codes", "kind"], rows)
