"""The shipped example for Alertmanager, in a real one: what follows from another alert is quiet, and nothing else."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consumer.stack.ports import choose
from tests.monitoring.cases import GROUP
from tests.monitoring.programs import ROOT, program
from tests.monitoring.servers import Server

Labels = dict[str, str]
_TOPIC = {"topic": "a"}
_TARGET = {"server": "target"}


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Alertmanager with the example."""
    folder, name = tmp_path_factory.mktemp("muting"), "prometheus-alertmanager"
    port = choose(["alertmanager"], {})["alertmanager"]
    words = (
        f"--config.file={ROOT / 'deploy/alertmanager/alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    with closing(Server(name, (program(name), *words), Path(folder), port)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("first", "labels", "second", "state"),
    [
        # lag of a topic is that of its worst partition: what one of them has says nothing of the others
        ("HeadracePaused", _TOPIC, "HeadraceLagging", "active"),
        ("HeadraceStopped", _TOPIC, "HeadraceLagging", "active"),
        ("HeadraceNoWorker", _TOPIC, "HeadraceStalled", "active"),
        ("HeadraceLagUnseen", {}, "HeadraceLagging", "suppressed"),
        ("HeadraceServerAway", _TARGET, "HeadraceLagging", "suppressed"),
        ("HeadraceConnectorFailed", {"connector": "shop"}, "HeadraceSourceSilent", "suppressed"),
    ],
)
def test_an_alert_is_muted_by_what_it_follows_from(
    manager: Server, first: str, labels: Labels, second: str, state: str
) -> None:
    """Not by what merely is of the same topic."""
    # of a group for each case
    group = {"group": f"{GROUP}-{first}-{second}"}
    told = [{"alertname": first, **labels, **group}, {"alertname": second, **_TOPIC, **group}]
    _post(manager, told)
    found = manager.get("/api/v2/alerts", filter=f'group="{group["group"]}"')
    assert {each["labels"]["alertname"]: each["status"]["state"] for each in found} == {first: "active", second: state}


def _post(manager: Server, told: list[Labels]) -> None:
    data = json.dumps([{"labels": labels} for labels in told]).encode()
    asked = urllib.request.Request(
        f"http://{manager.address}/api/v2/alerts", data, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=10):
        pass
