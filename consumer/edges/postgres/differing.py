"""Keys of rows that differ, kept with the step of a workflow that found them."""

from collections.abc import Mapping, Sequence

import psycopg

from consumer.core.reconcile import Key, Seen, Verdict
from consumer.edges.postgres.translate import translated
from consumer.ports.reconcile import Found, Watched

_SUSPECT = """
INSERT INTO headrace.differing_keys (workflow_id, step, key, verdict)
VALUES (%(workflow)s, %(step)s, %(key)s, 'suspected')
ON CONFLICT (workflow_id, step, key) DO UPDATE SET verdict = 'suspected', columns = '{}'
"""
_SUSPECTED = """
SELECT key, before_digest, before_version, source_digest, source_version FROM headrace.differing_keys
WHERE workflow_id = %(workflow)s AND step = %(step)s AND verdict = 'suspected' ORDER BY key
"""
_BEGIN = """
UPDATE headrace.differing_keys SET before_digest = %(before_digest)s, before_version = %(before_version)s,
    source_digest = %(source_digest)s, source_version = %(source_version)s
WHERE workflow_id = %(workflow)s AND step = %(step)s AND key = %(key)s
"""
_FORGET = "DELETE FROM headrace.differing_keys WHERE workflow_id = %(workflow)s AND step = %(step)s AND key = %(key)s"
_JUDGE = """
UPDATE headrace.differing_keys SET verdict = %(verdict)s, columns = %(columns)s, found_at = clock_timestamp()
WHERE workflow_id = %(workflow)s AND step = %(step)s AND key = %(key)s
"""
_EXTRA = """
SELECT key, before_version FROM headrace.differing_keys
WHERE workflow_id = %(workflow)s AND step = %(step)s AND verdict = 'extra' ORDER BY key LIMIT %(most)s
"""
_COUNTS = """
SELECT verdict, count(*) FROM headrace.differing_keys WHERE workflow_id = %(workflow)s AND step = %(step)s GROUP BY 1
"""


class PostgresKeys:
    """Implements `consumer.ports.reconcile.Keys` within the transaction of a workflow's turn."""

    def __init__(self, connection: psycopg.Connection, workflow: int, step: int) -> None:
        self._connection = connection
        self._at = {"workflow": workflow, "step": step}

    def suspect(self, keys: Sequence[Key]) -> None:
        self._many(_SUSPECT, [{"key": list(key)} for key in keys])

    def suspected(self) -> list[Watched]:
        with translated("read differing keys"):
            rows = self._connection.execute(_SUSPECTED, self._at).fetchall()
        return [Watched(key=tuple(row[0]), before=_seen(*row[1:3]), source=_seen(*row[3:5])) for row in rows]

    def begin(self, watched: Sequence[Watched]) -> None:
        rows = [
            {
                "key": list(each.key),
                "before_digest": each.before and each.before.digest,
                "before_version": each.before and each.before.version,
                "source_digest": each.source and each.source.digest,
                "source_version": each.source and each.source.version,
            }
            for each in watched
        ]
        self._many(_BEGIN, rows)

    def judge(self, found: Sequence[Found]) -> None:
        equal = [{"key": list(each.key)} for each in found if each.verdict is Verdict.EQUAL]
        rest = [
            {"key": list(each.key), "verdict": each.verdict, "columns": list(each.columns)}
            for each in found
            if each.verdict is not Verdict.EQUAL
        ]
        self._many(_FORGET, equal)
        self._many(_JUDGE, rest)

    def extra(self, step: int, most: int) -> Mapping[Key, str]:
        """Keys that only the target has, by a step of the same workflow, with what their rows were known by."""
        with translated("read differing keys"):
            rows = self._connection.execute(_EXTRA, self._at | {"step": step, "most": most}).fetchall()
        return {tuple(row[0]): row[1] for row in rows}

    def sweep(self, step: int, keys: Sequence[Key]) -> None:
        """Forget keys of such a step."""
        for key in keys:
            with translated("keep differing keys"):
                self._connection.execute(_FORGET, self._at | {"step": step, "key": list(key)})

    def counts(self) -> Mapping[str, int]:
        with translated("read differing keys"):
            return dict(self._connection.execute(_COUNTS, self._at).fetchall())

    def _many(self, statement: str, rows: Sequence[Mapping[str, object]]) -> None:
        if rows:
            with translated("keep differing keys"), self._connection.cursor() as cursor:
                cursor.executemany(statement, [{**self._at, **row} for row in rows])


def _seen(digest: int | None, version: str | None) -> Seen | None:
    return None if digest is None or version is None else Seen(digest, version)
