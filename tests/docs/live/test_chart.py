"""The values of the page about Helm, rendered by the words of the page; what kubectl is asked for is there."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.chart.rendering import Rendered, helm, merged
from tests.deploy.dockerfile import ROOT
from tests.docs.blocks import PAGES, Block, blocks

_PAGE = "docs/how-to/deploy-with-helm.md"
_VALUES = [each for each in blocks(_PAGE) if each.language == "yaml"]
_KUBECTL = [
    (page, command)
    for page in PAGES
    for block in blocks(page)
    for command in block.commands
    if command.startswith("kubectl ")
]


def _rendered(values: Block, folder: Path) -> Rendered:
    """By `helm template`, with the words behind `helm upgrade --install`, as far as both have them."""
    (command,) = [c for each in blocks(_PAGE) for c in each.commands if c.startswith("helm ")]
    _, _, _, name, chart, *rest = shlex.split(command)
    assert rest == ["--values", "values.yaml", "--wait"]
    file = folder / "values.yaml"
    base = yaml.safe_load(_VALUES[0].text)
    file.write_text(yaml.safe_dump(merged(base, yaml.safe_load(values.text))))
    done = helm("template", name, str(ROOT / chart), "--kube-version", "1.31.0", "--values", str(file))
    assert done.returncode == 0, done.stderr
    return Rendered(done.stdout, [each for each in yaml.safe_load_all(done.stdout) if each])


@pytest.mark.parametrize("place", range(len(_VALUES)))
def test_values_are_rendered(tmp_path: Path, place: int) -> None:
    """Each block over the first one, which is the least that there has to be."""
    text = _VALUES[place].text.replace('sha256: "..."', f'sha256: "{"0" * 64}"')
    found = _rendered(Block(page=_PAGE, line=_VALUES[place].line, language="yaml", text=text), tmp_path)
    assert found.workers["metadata"]["name"] == "headrace"


@pytest.mark.parametrize(("page", "command"), _KUBECTL)
def test_what_kubectl_is_asked_for_is_in_the_chart(tmp_path: Path, page: str, command: str) -> None:
    """The workload, the label, or the secret that the values name."""
    found = _rendered(_VALUES[0], tmp_path)
    if name := re.search(r"deployment/(\S+)", command):
        assert found.workers["kind"] == "Deployment"
        assert found.workers["metadata"]["name"] == name[1]
    elif selector := re.search(r"--selector (\S+)=(\S+)", command):
        labels = found.workers["spec"]["template"]["metadata"]["labels"]
        assert labels[selector[1]] == selector[2]
    else:
        (secret,) = re.findall(r"create secret generic (\S+) --from-literal=(\w+)=", command)
        assert secret[0] == yaml.safe_load(_VALUES[0].text)["target"]["existingSecret"]
        assert json.dumps({"name": secret[0], "key": secret[1]}) in json.dumps(found.resources)
