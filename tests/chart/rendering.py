"""Helm as tests use it: sets of values, and the resources that come of them."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.dockerfile import ROOT

CHART = ROOT / "helm/headrace"
VERSION = "1.31.0"
TIMEOUT = 120

Resource = dict[str, Any]


class Refused(Exception):
    """Helm did not render it; what it said."""


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Values over values, as Helm lays files over each other."""
    found = dict(base)
    for key, value in more.items():
        inner = found.get(key)
        found[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return found


def example(name: str) -> dict[str, Any]:
    """A file of values that the chart ships."""
    found: dict[str, Any] = yaml.safe_load((CHART / f"examples/{name}.yaml").read_text())
    return found


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs it."""
    program = shutil.which("helm")
    assert program, "helm is not there: make chart-tests builds it"
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=TIMEOUT)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What Helm made of the chart."""

    text: str
    resources: list[Resource]

    def all(self, kind: str) -> list[Resource]:
        """Those of a kind."""
        return [each for each in self.resources if each["kind"] == kind]

    def one(self, kind: str, suffix: str = "") -> Resource:
        """The only one of a kind whose name ends so."""
        (found,) = [each for each in self.all(kind) if each["metadata"]["name"].endswith(suffix)]
        return found

    @property
    def workers(self) -> Resource:
        """The workload of the workers."""
        return next(
            each
            for each in self.resources
            if each["kind"] in ("Deployment", "StatefulSet")
            and each["metadata"]["labels"]["app.kubernetes.io/component"] == "worker"
        )

    @property
    def pods(self) -> list[Resource]:
        """The specification of every pod."""
        kinds = ("Deployment", "StatefulSet", "Job")
        return [each["spec"]["template"]["spec"] for each in self.resources if each["kind"] in kinds]


def rendered(values: Mapping[str, Any], folder: Path, chart: Path = CHART) -> Rendered:
    """The chart with these values. Raises Refused."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(dict(values)))
    done = helm("template", "demo", str(chart), "--kube-version", VERSION, "--values", str(file))
    if done.returncode:
        raise Refused(done.stderr)
    return Rendered(done.stdout, [each for each in yaml.safe_load_all(done.stdout) if each])


def variables(container: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """A container's variables by name."""
    return {each["name"]: each for each in container.get("env") or ()}
