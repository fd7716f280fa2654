"""Whose the control schema is: it is changed as that role, which grants others what a worker needs there.

A login that may act as the owner, as a superuser or a member does, leaves no table behind that the owner's workers may
not read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from consumer.core.failure import Refused, failed
from consumer.core.kinds import KINDS

_DENIED = "42501"
# SET ROLE asks for the option SET of a membership where there is one
_SET_OPTION = 160_000
# who made the tables, which need not be who made the schema
_HOLDER = """
SELECT current_user::text, coalesce(pg_get_userbyid(h.owner)::text, current_user::text),
    coalesce(pg_has_role(session_user, h.owner, %s), true),
    h.is_empty AND has_schema_privilege(h.namespace, 'CREATE')
FROM (VALUES ('headrace')) AS wanted(name)
LEFT JOIN (
    SELECT n.nspname AS name, n.oid AS namespace, coalesce(m.relowner, n.nspowner) AS owner, m.oid IS NULL AS is_empty
    FROM pg_namespace n LEFT JOIN pg_class m ON m.relnamespace = n.oid AND m.relname = 'migrations'
) AS h USING (name)
"""
_STRANGERS = """
SELECT w.name FROM unnest(%s::text[]) AS w(name)
WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname::text = w.name) ORDER BY w.name
"""
_GRANTS = (
    "GRANT USAGE ON SCHEMA headrace TO {}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA headrace TO {}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA headrace TO {}",
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA headrace TO {}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA headrace GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA headrace GRANT USAGE ON SEQUENCES TO {}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA headrace GRANT EXECUTE ON FUNCTIONS TO {}",
)
# of what is another role's, the server grants nothing and only warns
_LACKS = """
SELECT 'USAGE ON SCHEMA headrace' WHERE NOT has_schema_privilege(%(role)s::name, 'headrace', 'USAGE')
UNION ALL
SELECT format('%%s ON headrace.%%I', p, c.relname)
FROM pg_class c, unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS p
WHERE c.relnamespace = 'headrace'::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT has_table_privilege(%(role)s::name, c.oid, p)
LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """`owner`: whose the control schema is; `role`: as whom it is changed, None where the login may not do that."""

    login: str
    owner: str
    role: str | None

    def require(self) -> str:
        """The role. Raises Refused where the login may not act as the owner."""
        if self.role is None:
            raise _refused(f"the control schema is {self.owner}'s, and {self.login} may not act as {self.owner}", self)
        return self.role


def become_holder(connection: psycopg.Connection) -> Holder:
    """Act as the control schema's owner until the transaction ends, where the login may; else as the login.

    Where there is none yet, or an empty one in which the login may make tables, the login becomes the owner.
    """
    how = "SET" if connection.info.server_version >= _SET_OPTION else "MEMBER"
    ((login, owner, may_act, may_begin),) = connection.execute(_HOLDER, (how,)).fetchall()
    if login == owner or (may_begin and not may_act):
        return Holder(login=login, owner=login, role=login)
    if not may_act:
        return Holder(login=login, owner=owner, role=None)
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(owner)))
    return Holder(login=login, owner=owner, role=owner)


@contextmanager
def permitted(holder: Holder) -> Iterator[None]:
    """Raises Refused for a privilege that is missing meanwhile."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        # what code of the database's own says may be anything
        said = type(error).__name__ if error.diag.context else error.diag.message_primary
        raise _refused(f"{holder.role or holder.login} may not change the control schema: {said}", holder) from error


def require_roles(connection: psycopg.Connection, names: Sequence[str]) -> None:
    """Raises Refused unless there are roles of these names; PUBLIC is none."""
    strangers = [name for (name,) in connection.execute(_STRANGERS, (list(names),)).fetchall()]
    if strangers:
        detail = f"there is no role {strangers[0]!r} in the target"
        remedy = "Create it, or give --grant a name as pg_roles has it."
        raise Refused(failed(KINDS["worker.settings"], "postgres", "migrate", detail, remedy=remedy))


def grant(connection: psycopg.Connection, holder: Holder, name: str) -> None:
    """Let a role do what a worker does in the control schema, also with what later migrations make there.

    To be done as the owner. Raises Refused where a part of it is another's.
    """
    for text in _GRANTS:
        connection.execute(sql.SQL(text).format(sql.Identifier(name)))
    lacks = connection.execute(_LACKS, {"role": name}).fetchone()
    if lacks is not None:
        raise _refused(f"{holder.role} may not grant {lacks[0]} to {name}", holder)


def _refused(detail: str, holder: Holder) -> Refused:
    if holder.login == holder.owner:
        remedy = (
            f"Grant it to {holder.login} (to make the schema headrace: CREATE on the database). What is in that schema "
            f"has to be {holder.login}'s (ALTER … OWNER TO)."
        )
    else:
        remedy = (
            f"Run headrace migrate with HEADRACE_TARGET__DSN of {holder.owner}, of a role to which {holder.owner} is "
            f"granted, or of a superuser. What is in the schema headrace has to be {holder.owner}'s (ALTER … OWNER TO)."
        )
    return Refused(failed(KINDS["table.privilege"], "postgres", "migrate", detail, remedy=remedy, code=_DENIED))
