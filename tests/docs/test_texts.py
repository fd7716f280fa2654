"""What pages show beside commands is taken by whoever it is for: settings by the program, patches by the codec."""

import json
import re
import shlex
import tomllib
from collections.abc import Callable
from typing import Any

import fastavro
import jsonpatch
import polars as pl
import promql_parser
import pytest
import yaml
from pydantic import ValidationError

from consumer.core.transform import GROUP
from consumer.settings.loading import Settings, mistakes
from tests.deploy.compose import EXAMPLE, asked_for, composed, variables
from tests.deploy.compose import FILE as COMPOSE
from tests.deploy.dockerfile import ROOT, stages
from tests.docs.blocks import Block, all_blocks
from tests.docs.signals import signals
from tests.docs.ways import absent
from tools.pages.prose import command_complaints

_BLOCKS = {str(each): each for each in all_blocks()}
_BASE = """
[kafka]
bootstrap_servers = "kafka:9092"
group = "shop-replica"
topics = ["shop.public.orders"]
[registry]
url = "http://registry:8080"
[target]
dsn = "host=target dbname=shop"
"""


def _of(language: str) -> list[str]:
    return [name for name, block in _BLOCKS.items() if block.language == language]


def _merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return base | {
        name: _merged(base[name], value) if isinstance(value, dict) and isinstance(base.get(name), dict) else value
        for name, value in more.items()
    }


@pytest.mark.parametrize("name", _of("toml"))
def test_settings_are_taken_by_the_program(name: str) -> None:
    """Over the least that there has to be; names that there are not are refused. One file is a package's."""
    found = tomllib.loads(_BLOCKS[name].text)
    if "project" in found:
        ((group, entries),) = found["project"]["entry-points"].items()
        assert (group, list(entries)) == (GROUP, ["full_name"])
        return
    Settings(**_merged(tomllib.loads(_BASE), found))


def _patch(text: str) -> None:
    patched = jsonpatch.JsonPatch.from_string(text).apply({"after": {"credit": "-12.50"}})
    assert patched == {"after": {"credit": "0.00"}}


def _schema(text: str) -> None:
    fastavro.parse_schema(json.loads(text))


_JSON: dict[str, Callable[[str], None]] = {
    "docs/how-to/handle-letters.md": _patch,
    "docs/how-to/pin-a-contract.md": _schema,
}


@pytest.mark.parametrize("name", _of("json"))
def test_json_is_what_the_page_says_it_is(name: str) -> None:
    """A patch that does what it says, a schema that readers take."""
    _JSON[_BLOCKS[name].page](_BLOCKS[name].text)


@pytest.mark.parametrize("name", _of("python"))
def test_a_transform_makes_what_it_says(name: str) -> None:
    """The one that the page shows, on a row."""
    defined: dict[str, Any] = {}
    exec(compile(_BLOCKS[name].text, name, "exec"), defined)
    transform = defined["full_name"]
    made = transform(pl.DataFrame({"first": ["Ada"], "last": ["Lovelace"]}))
    assert made.to_dicts() == [{"full_name": "Ada Lovelace"}]
    assert transform.made_from == {"full_name": ("first", "last")}


@pytest.mark.parametrize("name", _of("promql"))
def test_queries_are_whole(name: str) -> None:
    """Thresholds stand in them as words."""
    promql_parser.parse(re.sub(r"<[a-z_]+>", "1", _BLOCKS[name].text))


@pytest.mark.parametrize("name", _of("properties"))
def test_settings_of_the_connector_are_those_that_the_shop_has(name: str) -> None:
    """With which the live tests ask the source."""
    found = dict(line.split("=", 1) for line in _BLOCKS[name].text.splitlines())
    assert {**found, "signal.kafka.bootstrap.servers": "here"} == signals("here")


@pytest.mark.parametrize("name", _of("yaml"))
def test_yaml_is_of_the_chart_or_of_prometheus(name: str) -> None:
    """Values by the chart's own schema; scrapes by their form. Helm renders them in `live/test_chart.py`."""
    found = yaml.safe_load(_BLOCKS[name].text)
    if "scrape_configs" in found:
        assert all({"job_name"} < each.keys() for each in found["scrape_configs"])
        return
    schema = json.loads((ROOT / "helm/headrace/values.schema.json").read_text())
    assert set(found) <= schema["properties"].keys()


def test_variables_of_the_compose_file_are_those_that_it_asks_for() -> None:
    """As the page sets them."""
    (block,) = [
        each for each in _BLOCKS.values() if each.page == "docs/how-to/deploy-with-compose.md" and not each.language
    ]
    assert set(re.findall(r"^([A-Z_]+)=", block.text, re.MULTILINE)) <= asked_for(COMPOSE.read_text()).keys()


def test_mistakes_are_told_as_the_page_shows_them() -> None:
    """Each of them, in its words."""
    (block,) = [each for each in _BLOCKS.values() if each.page == "docs/how-to/set-timeouts.md" and not each.language]
    wrong = {"worker": {"stall_timeout": 100, "decode_deadline": 100}, "retry": {"table_first": 90, "table_most": 60}}
    with pytest.raises(ValidationError) as raised:
        Settings(**_merged(tomllib.loads(_BASE), wrong))
    told = mistakes(raised.value)
    assert block.text.splitlines() == ["the settings have 3 mistakes:", *(f"  {line}" for line in told)]


def _absent(begin: str) -> list[tuple[Block, str]]:
    return [
        (block, command)
        for block in _BLOCKS.values()
        for command in block.commands
        if command.startswith(begin) and absent(block.page, command)
    ]


def _parsed(command: str) -> list[str]:
    """What is wrong with a command of ours."""
    return list(command_complaints(ROOT, f"```console\n$ {command}\n```\n"))


@pytest.mark.parametrize(("block", "command"), _absent("docker compose "))
def test_compose_is_asked_for_what_the_file_has(block: Block, command: str) -> None:
    """Profiles and services; what runs inside of ours is parsed."""
    services = composed(variables(EXAMPLE.read_text()))["services"]
    profiles = {profile for service in services.values() for profile in service["profiles"]}
    words = shlex.split(command)[2:]
    assert {words[place + 1] for place, word in enumerate(words) if word == "--profile"} <= profiles
    if words[0] == "exec":
        assert words[1] in services
        assert words[2] in ("psql", "headrace")
        assert words[2] == "psql" or _parsed(shlex.join(words[2:])) == []


def test_images_are_built_and_run_by_the_version_and_the_arguments_that_there_are() -> None:
    """As the Dockerfile has them; what runs inside is parsed."""
    arguments, _ = stages(ROOT / "Dockerfile")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    ((_, build),) = _absent("docker build ")
    named = set(re.findall(r"--build-arg (\w+)=", build))
    assert named <= {*arguments, *re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)}
    ((_, run),) = _absent("docker run ")
    assert f"headrace:{version}" in build
    assert f"headrace:{version}" in run
    assert _parsed("headrace " + run.split(f":{version} ")[1]) == []


@pytest.mark.parametrize(("block", "command"), [*_absent("make "), *_absent("headrace "), *_absent("cp ")])
def test_what_is_not_run_is_there(block: Block, command: str) -> None:
    """A target of make, a command with these options, a file."""
    assert _parsed(command) == []
    if command.startswith("cp "):
        assert (ROOT / command.split()[1]).is_file()


@pytest.mark.parametrize(("block", "command"), [each for each in _absent("kubectl ") if " -- " in each[1]])
def test_what_runs_in_a_pod_is_parsed(block: Block, command: str) -> None:
    """The names of what kubectl is asked for are held by `live/test_chart.py`."""
    assert _parsed(command.split(" -- ")[1]) == []
