"""F7, F8: partitions change hands, from one who sleeps and from those who come and go."""

import pytest

from tests.real.engine.test_fence import STALLS, overtake
from tests.real.engine.test_rebalance import comes_and_goes
from tests.real.engine.wire import Proxy

from .shortly import cases
from .trial import Trial

# each of them is two rebalances
_CYCLES = 25
# the share of guests that do not leave in order
_KILLED = 0.2
_PROTOCOLS = {
    "eager": {"partition.assignment.strategy": "range"},
    "cooperative": {"partition.assignment.strategy": "cooperative-sticky"},
    "KIP-848": {"group.protocol": "consumer"},
}


@pytest.mark.parametrize("stall", cases(STALLS, "between lock and write"))
def test_f07_an_owner_wakes_up_after_it_was_overtaken(trial: Trial, proxy: Proxy, stall: str) -> None:
    """It writes nothing, at a batch that the seed chooses."""
    feeds = trial.both(400)
    trial.vary(dsn=proxy.dsn, name="first", deadline=3.0, client={"max.poll.interval.ms": "6000"})
    overtake(trial.job, feeds, proxy, trial.workers, stall, trial.chance.randrange(1, 6))
    trial.over()
    trial.recovers()
    trial.verify()


@pytest.mark.seeds(1)
@pytest.mark.parametrize("protocol", _PROTOCOLS)
def test_f08_workers_come_and_go_under_load(trial: Trial, protocol: str) -> None:
    """Fifty rebalances, of which the seed chooses those that a kill causes."""
    trial.vary(name="stays", client=_PROTOCOLS[protocol], max_rows=trial.chance.choice((50, 200, 500)), level="info")
    with trial.load():
        stays = trial.run()
        stays.said("partitions taken")
        for cycle in range(_CYCLES):
            killed = trial.chance.random() < _KILLED
            comes_and_goes(trial.job, trial.target, trial.workers, f"guest{cycle}", killed=killed)
    trial.over()
    trial.recovers()
    trial.verify()
