"""Prometheus and Alertmanager as child processes, quick ones, and what they say."""

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from consumer.stack.ports import choose
from consumer.stack.waiting import wait_until
from tests.monitoring.programs import program

_HOST = "127.0.0.1"
_START = 30.0
_END = 10.0


class Server:
    """One of them, from `start` to `end`."""

    def __init__(self, name: str, argv: Sequence[str], folder: Path, port: int) -> None:
        self.address = f"{_HOST}:{port}"
        self._name, self._log = name, folder / f"{name}.log"
        with self._log.open("wb") as output:
            self._popen = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        if not wait_until(self._ready, _START):
            self.close()
            raise AssertionError(f"{name} did not start:\n{self._log.read_text()[-3000:]}")

    def get(self, path: str, **parameters: str | float) -> Any:
        """What it answers, from JSON."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(f"http://{self.address}{path}{query}", timeout=10) as answer:
            return json.load(answer)

    def close(self) -> None:
        """End it."""
        self._popen.terminate()
        try:
            self._popen.wait(_END)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def _ready(self) -> bool:
        if self._popen.poll() is not None:
            return False
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class Watch:
    """Both of them on a file of rules. `targets` is the list of ports that are scraped."""

    def __init__(self, folder: Path, rules: str) -> None:
        self._folder = folder
        ports = choose(["prometheus", "alertmanager", "cluster"], {})
        (folder / "rules.yml").write_text(rules)
        self.scrape(())
        at = f"{_HOST}:{ports['alertmanager']}"
        (folder / "alertmanager.yml").write_text(
            # each at once: what is looked at is whether it comes
            yaml.safe_dump({"route": {"receiver": "page", "group_wait": "0s"}, "receivers": [{"name": "page"}]})
        )
        (folder / "prometheus.yml").write_text(yaml.safe_dump(_configuration(at)))
        self.alertmanager = Server(
            "prometheus-alertmanager",
            (
                program("prometheus-alertmanager"),
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address={at}",
                "--cluster.listen-address=",
            ),
            folder,
            ports["alertmanager"],
        )
        self.prometheus = Server(
            "prometheus",
            (
                program("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address={_HOST}:{ports['prometheus']}",
                "--web.enable-lifecycle",
                # an alert is told again until Alertmanager is known
                "--rules.alert.resend-delay=1s",
            ),
            folder,
            ports["prometheus"],
        )

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.prometheus.close()
        self.alertmanager.close()

    def scrape(self, ports: Sequence[int]) -> None:
        """Scrape these from now on."""
        file = self._folder / "targets.json"
        made = file.with_suffix(".new")
        made.write_text(json.dumps([{"targets": [f"{_HOST}:{port}" for port in ports]}]))
        # Prometheus may read it at any moment
        made.rename(file)

    def follow(self, rules: str) -> None:
        """Other rules from now on."""
        (self._folder / "rules.yml").write_text(rules)
        with urllib.request.urlopen(f"http://{self.prometheus.address}/-/reload", data=b"", timeout=10):
            pass

    def now(self, expr: str) -> list[dict[str, Any]]:
        """What an expression is at this moment."""
        found: list[dict[str, Any]] = self.prometheus.get("/api/v1/query", query=expr)["data"]["result"]
        return found

    def lately(self, expr: str, seconds: float, step: int = 5) -> list[dict[str, Any]]:
        """What it was over the last seconds."""
        end = time.time()
        answer = self.prometheus.get("/api/v1/query_range", query=expr, start=end - seconds, end=end, step=step)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def firing(self, alert: str) -> list[Mapping[str, str]]:
        """The labels of those that fire in Prometheus."""
        return [each["metric"] for each in self.now(f'ALERTS{{alertname="{alert}", alertstate="firing"}}')]

    def told(self, alert: str) -> list[dict[str, Any]]:
        """Those that Alertmanager has heard of and that go on."""
        found: list[dict[str, Any]] = self.alertmanager.get("/api/v2/alerts", filter=f'alertname="{alert}"')
        return found


def _configuration(alertmanager: str) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            {"job_name": "headrace", "file_sd_configs": [{"files": ["targets.json"], "refresh_interval": "1s"}]}
        ],
    }
