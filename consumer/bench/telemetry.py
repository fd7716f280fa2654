"""What telemetry costs: Headrace with nothing of it and with all of it, in turns, on the topic of fresh rows.

All of it: metrics that are scraped, traces of every batch, the log, looks at the group, and a source to compare with.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from consumer.bench import campaign, engine, race, target, topics, watched
from consumer.bench.contender import Running, headrace
from consumer.bench.rig import Rig
from consumer.bench.scenario import SCENARIOS, Dataset
from consumer.bench.store import Result
from consumer.bench.watching import Receiver, Scraper
from consumer.stack.ports import choose


def measure(rig: Rig, size: int, runs: int) -> None:
    """The missing runs of both, in turns."""
    dataset = SCENARIOS["fresh"].dataset(size)
    topics.ensure(rig, dataset)
    wanted = [
        race.Entry(scenario=watched.NAME, size=size, contender=name, settings={**engine.overrides(), **settings})
        for name, settings in watched.SETTINGS.items()
    ]
    for entry in campaign.turns(rig.store, wanted, runs):
        rig.say(campaign.told(_run(rig, entry, dataset)))


def _run(rig: Rig, entry: race.Entry, dataset: Dataset) -> Result:
    target.reset(rig, dataset)
    # the environment's own come from there: some are hidden here
    said = watched.SETTINGS[entry.contender]
    if entry.contender == watched.OFF:
        return race.measured(
            rig,
            entry,
            dataset,
            lambda: headrace(rig, dataset.topics, variables=said),
            lambda: target.same(rig, dataset),
        )
    port = choose([watched.NAME], {})[watched.NAME]
    with Receiver() as receiver, Scraper(port, watched.SCRAPE_EVERY) as scraper:
        variables = {
            **said,
            "HEADRACE_TELEMETRY__PORT": str(port),
            "HEADRACE_TRACE__ENDPOINT": receiver.endpoint,
            "HEADRACE_SOURCE__DSN": rig.endpoints.source_dsn,
        }
        return race.measured(
            rig,
            entry,
            dataset,
            lambda: _scraped(rig, dataset, variables, scraper),
            # it was watched, too: else nothing was measured
            lambda: target.same(rig, dataset) and scraper.scrapes > 0 and receiver.spans() > 0,
        )


@contextmanager
def _scraped(rig: Rig, dataset: Dataset, variables: Mapping[str, str], scraper: Scraper) -> Iterator[Running]:
    with headrace(rig, dataset.topics, variables=variables) as running:
        yield replace(
            running,
            details=lambda: running.details() | {"scrapes": scraper.scrapes, "scrape_bytes": scraper.size},
        )
