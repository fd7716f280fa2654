"""A process that takes turns of an undo, and kills itself at a point of one.

DSN GROUP SCHEMA TOPIC WORKFLOW TURN POINT; the log is what standard input has.
"""

import pickle
import sys
from contextlib import closing

from consumer.binding.binder_settings import BinderSettings
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.pool import PoolLimits, TargetPool
from consumer.edges.postgres.session import SessionSettings
from tests.pg.turning_child import take_turns
from tests.pg.undoing import Ground, Log, acts


def main() -> None:
    """Take turns up to the one that is not survived."""
    dsn, group, schema, topic, *rest = sys.argv[1:]
    log = Log(pickle.loads(sys.stdin.buffer.read()))
    how = BinderSettings(template=f"{schema}.{{table}}")
    with closing(TargetPool(SessionSettings(dsn=dsn, worker="child"), CircuitBreaker("t"), PoolLimits(size=4))) as pool:
        take_turns(dsn, pool, group, acts(Ground(pool, group, topic, log, how)), rest)


if __name__ == "__main__":
    main()
