"""The compose file: of the schema, pinned, ordered, guarded, and of the same settings as everything else."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.alerts.rules import ALERTS, rules
from consumer.composition.edge_settings import kafka_settings
from consumer.core.addresses import is_loopback
from consumer.edges.kafka.config import selects
from consumer.settings.loading import load
from tests.deploy.compose import EXAMPLE, FILE, asked_for, composed, environment, variables
from tests.deploy.dockerfile import ROOT, stages

GIVEN = variables(EXAMPLE.read_text())
SERVICES: dict[str, dict[str, Any]] = composed(GIVEN)["services"]
OURS = {"migrate", "headrace", "admin"}
# they end, and what waits for them waits for their end
ONCE = {"migrate", "connectors"}
CONNECTOR = json.loads((ROOT / "deploy/connectors/shop.json").read_text())


def test_it_is_of_the_schema_of_compose_files() -> None:
    """The one that the Compose Specification publishes."""
    places = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    program = shutil.which("check-jsonschema", path=places) or "check-jsonschema"
    words = [program, "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_variable_is_explained_and_what_has_no_default_is_given() -> None:
    """In the example file, whose passwords are recognised as examples."""
    text = EXAMPLE.read_text()
    asked = {name: wanted for name, wanted in asked_for(FILE.read_text()).items() if not name.startswith("HEADRACE_")}
    named = set(re.findall(r"^#?([A-Z0-9_]+)=", text, re.MULTILINE))
    assert named == asked.keys()
    assert {name for name, wanted in asked.items() if wanted} == GIVEN.keys()
    assert all(value.startswith("example-") for name, value in GIVEN.items() if name.endswith("PASSWORD"))
    assert ".env" in (ROOT / ".gitignore").read_text().split()


def test_the_example_token_is_the_one_that_the_example_names() -> None:
    """So that a first look at the console needs no further step."""
    (token,) = re.findall(r"\bhr_[\w-]+", EXAMPLE.read_text())
    assert hashlib.sha256(token.encode()).hexdigest() == GIVEN["ADMIN_TOKEN_SHA256"]


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    """By an exact version, never by a moving name."""
    image = SERVICES[name]["image"]
    assert re.search(r":v?\d+\.\d+(\.\d+)?(\.\w+)?$", image), image


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_that_goes_on_is_looked_after(name: str) -> None:
    """A check (the workers': the image's own), a way back after a crash, and a bounded log."""
    service = SERVICES[name]
    if name in ONCE:
        assert service["restart"].startswith("on-failure:")
        return
    assert (name == "headrace") != ("test" in service.get("healthcheck", {}))
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_what_it_needs(name: str) -> None:
    """Until that is healthy, or has ended well; a service outside the profile is waited for only where it is."""
    service = SERVICES[name]
    for other, how in service.get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert how["condition"] == wanted, other
        shared = set(SERVICES[other]["profiles"]) >= set(service["profiles"])
        assert how.get("required", True) == shared, other


def test_nothing_waits_for_itself() -> None:
    """Not by way of others either."""
    waits = {name: set(service.get("depends_on", ())) for name, service in SERVICES.items()}
    while ready := [name for name, others in waits.items() if not others]:
        for name in ready:
            del waits[name]
        for others in waits.values():
            others.difference_update(ready)
    assert not waits


def test_the_profiles_are_everything_and_headrace_alone() -> None:
    """Two workers, what migrates in front of them, and the admin process stand alone too."""
    assert all("everything" in service["profiles"] for service in SERVICES.values())
    assert {name for name, service in SERVICES.items() if "headrace" in service["profiles"]} == OURS
    assert SERVICES["headrace"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    """Most of what listens here asks nobody who they are."""
    for port in SERVICES[name].get("ports", ()):
        assert is_loopback(port.split(":")[0]), port


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there_and_read_only(name: str) -> None:
    """Files of this repository; what is written goes to volumes."""
    for mount in SERVICES[name].get("volumes", ()):
        origin, _, *rest = mount.split(":")
        if origin.startswith("."):
            assert (ROOT / origin).exists(), origin
            assert rest == ["ro"], mount
        else:
            assert origin in composed(GIVEN)["volumes"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_headrace_is_confined(name: str) -> None:
    """Nothing to write to but memory, no privilege, and a password that no settings hold."""
    service = SERVICES[name]
    assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (True, ["/tmp"], ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "password" not in (ROOT / "deploy/headrace/headrace.toml").read_text().lower().replace("passwords,", "")
    assert service["environment"]["PGPASSWORD"] == GIVEN["APPLY_PASSWORD"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_settings_are_taken_by_the_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that is mounted, and the variables over it."""
    for variable, value in environment(SERVICES[name], "HEADRACE_").items():
        monkeypatch.setenv(variable, value)
    settings = load(ROOT / "deploy/headrace/headrace.toml")
    # each variable is of a section that there is: others are passed over without a word
    paths = [key.removeprefix("HEADRACE_").lower().split("__") for key in environment(SERVICES[name], "HEADRACE_")]
    assert all(hasattr(getattr(settings, section), key) for section, key in paths)
    assert settings.target.dsn == "host=target dbname=shop user=headrace_apply"
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    if name == "admin":
        assert (settings.admin.host, settings.admin.is_open) == ("0.0.0.0", False)
    # what stops the container leaves time to drain, and to leave the group
    if name == "headrace":
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) >= settings.worker.drain_timeout + 15


def test_the_topics_are_those_of_the_connector() -> None:
    """Its heartbeats and its transactions are not read."""
    settings = load(ROOT / "deploy/headrace/headrace.toml")
    kafka, prefix = kafka_settings(settings), CONNECTOR["topic.prefix"]
    assert selects(kafka, f"{prefix}.{CONNECTOR['schema.include.list']}.orders")
    assert not selects(kafka, f"__debezium-heartbeat.{prefix}")
    assert settings.source.topic_prefix == prefix


def test_connectors_may_ask_for_their_own_variables_only() -> None:
    """Each variable that one names is there, and is one that may be asked for; no other one of the service is."""
    there = SERVICES["connect"]["environment"]
    allowed = re.compile(there["CONNECT_CONFIG_PROVIDERS_ENV_PARAM_ALLOWLIST_PATTERN"])
    named = set(re.findall(r"\$\{env:(\w+)\}", json.dumps(CONNECTOR)))
    assert named == {name for name in there if allowed.fullmatch(name)}


def test_dockerfile_of_connect_is_pinned_and_checked() -> None:
    """By hadolint, and the converter's files by their digests."""
    arguments, (converter, final) = stages(ROOT / "deploy/connect/Dockerfile")
    assert re.fullmatch(r"maven:\d+\.\d+\.\d+-[\w-]+", arguments["MAVEN"])
    assert arguments["DEBEZIUM"].endswith(":3.6.0.Final")
    assert converter.texts("RUN")[-1] == "sha256sum -c ../converter.sha256"
    assert final.texts("USER") == []


@pytest.mark.parametrize("file", ["Dockerfile", "deploy/connect/Dockerfile"])
def test_hadolint_has_no_complaint(file: str) -> None:
    """Of any level."""
    places = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    words = [shutil.which("hadolint", path=places) or "hadolint", "--failure-threshold", "style", file]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("", 0)


def test_monitoring_leads_to_what_is_mounted() -> None:
    """Rules and further scrapes can be laid as files; Grafana asks Prometheus, which tells Alertmanager."""
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["prometheus"]["volumes"] if mount.startswith("."))
    assert mounts == {"./deploy/prometheus": "/etc/prometheus"}
    prometheus = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    for pattern in [*prometheus["rule_files"], *prometheus["scrape_config_files"]]:
        folder = Path(pattern).parent.relative_to("/etc/prometheus")
        assert (ROOT / "deploy/prometheus" / folder).is_dir()
    (managers,) = prometheus["alerting"]["alertmanagers"]
    assert managers["static_configs"][0]["targets"] == ["alertmanager:9093"]

    provisioning = ROOT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (boards,) = yaml.safe_load((provisioning / "dashboards/headrace.yml").read_text())["providers"]
    places = [mount.split(":")[1] for mount in SERVICES["grafana"]["volumes"]]
    assert boards["options"]["path"] in places

    alertmanager = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text())
    assert alertmanager["route"]["receiver"] in {each["name"] for each in alertmanager["receivers"]}


def test_workers_and_the_admin_process_are_scraped_where_they_listen() -> None:
    """By the names of their services; nobody beyond this network reaches it."""
    settings = load(ROOT / "deploy/headrace/headrace.toml")
    (job,) = yaml.safe_load((ROOT / "deploy/prometheus/scrape.d/headrace.yml").read_text())["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert set(found["names"]) == OURS - ONCE
    assert (settings.telemetry.host, settings.telemetry.port) == ("0.0.0.0", found["port"])
    assert all(str(found["port"]) not in port for name in OURS for port in SERVICES[name].get("ports", ()))


def test_the_rules_are_those_of_the_settings_and_the_group() -> None:
    """As many workers are expected as there are."""
    settings = load(ROOT / "deploy/headrace/headrace.toml")
    written = (ROOT / "deploy/prometheus/rules/headrace.yml").read_text()
    assert written == rules(SERVICES["headrace"]["environment"]["HEADRACE_KAFKA__GROUP"], settings.alerts.model_dump())
    assert settings.alerts.workers == SERVICES["headrace"]["deploy"]["replicas"]
    port = SERVICES["grafana"]["ports"][0].split(":")[1]
    assert settings.alerts.dashboards == f"http://localhost:{port}/d"


def test_alerts_that_are_kept_quiet_or_sent_are_those_that_there_are() -> None:
    """By their names and labels."""
    alertmanager = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text())
    told = {"group", "severity", "alertname", "server", "topic"}
    for rule in alertmanager["inhibit_rules"]:
        assert set(rule["equal"]) <= told
        for matcher in [*rule["source_matchers"], *rule["target_matchers"]]:
            label, value = re.fullmatch(r'(\w+) =~? "([^"]+)"', matcher).groups()
            assert label in told
            if label == "alertname":
                assert set(value.split("|")) <= {alert.name for alert in ALERTS}
    routed = {route["receiver"] for route in alertmanager["route"]["routes"]} | {alertmanager["route"]["receiver"]}
    assert routed == {each["name"] for each in alertmanager["receivers"]}
