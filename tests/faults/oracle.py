"""One oracle for all faults: what must hold once a fault is over and nothing is left to do.

It reads the log from the broker, everything else from the target and its witnesses. Nothing of it depends on which
fault it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.real.engine.witness import Target, Truth, differences
from tests.real.engine.worker import eventually

from .books import Account, Books, Jump, Origin
from .log import Place, log_ends

_SESSIONS = """
SELECT a.pid, a.application_name, a.state, a.query,
       (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND l.locktype <> 'virtualxid')
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
"""


def reached(target: Target, group: str, ends: Mapping[Place, int], but: Sequence[Place] = ()) -> bool:
    """Whether each stored position is the end of its partition."""
    stored = target.positions(group)
    return all(stored.get(at) == end for at, end in ends.items() if at not in but)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a test expects beyond the model: states of the letters by their origins, positions that people have set."""

    letters: Mapping[Origin, str]
    jumps: Sequence[Jump] = ()


@dataclass(frozen=True, slots=True)
class Oracle:
    """Judges one group's work on its target."""

    target: Target
    books: Books
    feeds: Sequence[Truth]

    def reached(self, but: Sequence[Place] = ()) -> bool:
        """Whether each stored position is the end of its partition."""
        ends = log_ends(self.books.kafka, sorted(self.books.tables))
        return reached(self.target, self.books.group, ends, but)

    def letters(self) -> dict[Origin, str]:
        """The state of each letter by its origin; a record has one."""
        return self.books.letters()

    def verify(self, expected: Expected) -> Account:
        """Everything but the time that it took. The workers have ended."""
        for feed in self.feeds:
            assert differences(self.target.rows(f"public.{feed.table}"), feed.rows()) == []
        assert self.target.stopped(self.books.group) == {}
        assert self.reached()
        assert self.letters() == expected.letters
        self._verify_sessions()
        return self.books.verify(expected.jumps)

    def _verify_sessions(self) -> None:
        """Ended workers leave nothing behind; the server may notice a killed one a moment later."""
        eventually(lambda: self.target.ask(_SESSIONS) == [], f"no session is left: {self.target.ask(_SESSIONS)}", 20)
        assert self.target.ask("SELECT 1 FROM pg_prepared_xacts WHERE database = current_database()") == []
