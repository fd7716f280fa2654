"""A target table gets another name: from then on nothing is applied to it until every worker knows the name.

Pause, renaming and all that the control schema knows by the old name are one transaction. What the settings say is
another matter: a person changes them and has the workers read them again, which is looked at before the pause ends.
"""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from consumer.core.pausing import Subject
from consumer.core.renames import brought
from consumer.core.workflow import Outcome, Task, Turn
from consumer.edges.postgres import pauses, table_names
from consumer.edges.postgres.session import hold_shortly, limit_locks
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note

# that were started before, with what came of their settings since, read again
_LIVING = """
WITH step AS (
    SELECT started_at AS begun FROM headrace.workflow_steps WHERE workflow_id = %(workflow)s AND number = %(step)s
)
SELECT w.name, ARRAY(
    SELECT c.outcome FROM headrace.commands c
    WHERE c.group_name = w.group_name AND c.worker = w.name AND c.action = 'reload'
      AND c.taken_at >= step.begun AND c.outcome IS NOT NULL
)
FROM headrace.workers w, step
WHERE w.group_name = %(group)s AND w.seen_at > clock_timestamp() - make_interval(secs => 5 * w.every + 5)
  AND w.started_at < step.begun
ORDER BY w.name
"""
_ADD_RULES = (
    "add rules for the new name, keep those of the old one for letters that are closed, and have workers and the admin "
    "process read their settings again"
)
# workers that are named at once
_NAMED = 5


@dataclass(frozen=True, slots=True)
class RenamingActs:
    """Acts of workflows. `patience`: most seconds that the renaming waits for others who use the table.

    `hidden`: whether what is hidden of one table is hidden of another.
    """

    group: str
    patience: float
    hidden: Callable[[str, str], bool]

    def rename(self, connection: psycopg.Connection, task: Task) -> Turn:
        """Pause the topic, rename the table, and what is known of it."""
        table, to = str(task.subject["table"]), str(task.subject["to"])
        with translated("look for the name"):
            taken = table_names.owners(connection, to) or table_names.exists(connection, to)
            others = [group for group, _ in table_names.owners(connection, table) if group != self.group]
        if taken or others:
            why = f"{to} is there already" if taken else f"another group writes {table} too"
            return Turn(outcome=Outcome.STOPS, why=why)
        if not self.hidden(table, to):
            why = f"admin.mask hides columns of {table} that it does not hide of {to}: {_ADD_RULES}"
            return Turn(outcome=Outcome.STOPS, why=why)
        subject, note = Subject(topic=str(task.subject["topic"])), Note(task.actor, task.reason)
        with translated("rename table"):
            hold_shortly(connection)
            # a pause that somebody else began would be ended with ours
            if not pauses.hold(connection, self.group, subject, note).changed:
                return Turn(outcome=Outcome.STOPS, why=f"{subject} is paused already: resume it first")
            limit_locks(connection, self.patience)
            for statement in _renamings(table, to):
                connection.execute(statement)
            table_names.move(connection, self.group, str(task.subject["topic"]), (table, to))
        return Turn(progress={"from": table, "to": to}, outcome=Outcome.DONE)

    def settings(self, connection: psycopg.Connection, task: Task) -> Turn:
        """Wait for a person, and look that no worker of before lives that knows the old name only.

        One that was started since with the old name can't claim it, as the topic has the table of the new one.
        """
        topic, table, to = (str(task.subject[name]) for name in ("topic", "table", "to"))
        if not task.progress.get("told"):
            why = (
                f'set table = "{to}" under [topics."{topic}"], rename the section [tables."{table}"] if there is one, '
                "have all workers read their settings again (headrace workers reload, or SIGHUP), or restart them, "
                f"then: headrace recover resume {task.workflow}"
            )
            return Turn(progress={"told": True}, outcome=Outcome.STOPS, why=why)
        at = {"group": self.group, "workflow": task.workflow, "step": task.step}
        with translated("look for workers"):
            living = connection.execute(_LIVING, at).fetchall()
        if old := [name for name, outcomes in living if not any(to in brought(each) for each in outcomes)]:
            why = (
                "these workers were started before the table had its new name, and have not got it: "
                f"{', '.join(old[:_NAMED])}"
            )
            return Turn(progress=task.progress, outcome=Outcome.STOPS, why=why)
        return Turn(progress=task.progress, outcome=Outcome.DONE)

    def unpause(self, connection: psycopg.Connection, task: Task) -> Turn:
        """End the pause."""
        subject, note = Subject(topic=str(task.subject["topic"])), Note(task.actor, task.reason)
        with translated("resume"):
            hold_shortly(connection)
            pauses.release(connection, self.group, subject, note)
        return Turn(outcome=Outcome.DONE)


def _renamings(table: str, to: str) -> list[sql.Composed]:
    """By schema and by name, as far as they differ."""
    (schema, _, name), (new_schema, _, new_name) = table.partition("."), to.partition(".")
    found: list[sql.Composed] = []
    if schema != new_schema:
        moved = sql.SQL("ALTER TABLE {} SET SCHEMA {}")
        found.append(moved.format(sql.Identifier(schema, name), sql.Identifier(new_schema)))
    if name != new_name:
        renamed = sql.SQL("ALTER TABLE {} RENAME TO {}")
        found.append(renamed.format(sql.Identifier(new_schema, name), sql.Identifier(new_name)))
    return found
