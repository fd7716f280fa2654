"""Every kind of failure that there is: what it touches, whether time heals it, what a person can do.

The list is closed. A failure that no rule knows is `unknown` of its scope, never a kind made up on the way.
`docs/reference/failures.md` is written from here.
"""

from consumer.core.environment_kinds import ENVIRONMENT_KINDS
from consumer.core.failure_kind import FailureKind
from consumer.core.record_kinds import RECORD_KINDS
from consumer.core.table_kinds import TABLE_KINDS

KINDS: dict[str, FailureKind] = {kind.name: kind for kind in (*RECORD_KINDS, *TABLE_KINDS, *ENVIRONMENT_KINDS)}

UNIQUE = "record.unique"
"""The kind of rows that a unique value of another row keeps out."""

DEPENDENT = frozenset({"record.reference", UNIQUE, "record.moved"})
"""Kinds of rows that are refused because of other rows, which may come or go."""

TOO_DEPENDENT = "table.reference"
"""The kind of a flood of them."""

TOO_MUCH_MOVED = "table.moved"
"""The kind of a partition that goes on when creates in others have taken what is kept for them."""

BUSY = frozenset({"target.timeout", "target.locked", "target.conflict"})
"""Kinds of failure in which the table at hand may be alone."""
