"""The settings that the chart writes are those that the program reads."""

import re
import shutil
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from consumer.composition.edge_settings import kafka_settings, letter_topics
from consumer.edges.kafka.config import common_config
from consumer.settings.loading import Settings, load
from consumer.worker import ends_within
from tests.chart.cases import CASES, MINIMAL
from tests.chart.rendering import CHART, Rendered, merged, rendered, variables

Rendering = Callable[[str], Rendered]
# not of the values: what is secret, and what each process has of its own
OWN: dict[str, Any] = {"secrets": True, "worker": {"name", "stop_within"}}
# what stands in the secrets
SECRET = 'a "secret" of\\{16} or more'


def settings_of(found: Rendered, file: Path, monkeypatch: pytest.MonkeyPatch, key: str = "headrace.toml") -> Settings:
    """As the container of the workers, or of the admin process, loads them."""
    pod = found.workers["spec"]["template"]["spec"]
    if key == "admin.toml":
        pod = found.one("Deployment", "-admin")["spec"]["template"]["spec"]
    for name, given in variables(pod["containers"][0]).items():
        monkeypatch.setenv(name, given.get("value", SECRET * 2 if "SESSION" in name else SECRET))
    file.write_text(found.one("ConfigMap", "headrace")["data"][key])
    return load(file)


@pytest.mark.parametrize("name", CASES)
def test_a_worker_ends_by_itself_before_it_is_killed(
    rendering: Rendering, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows when that would be, and the orchestrator's word is the file's."""
    found = rendering(name)
    grace = found.workers["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    settings = settings_of(found, tmp_path / "headrace.toml", monkeypatch)
    assert settings.worker.stop_within == grace
    assert ends_within(settings) < grace


@pytest.mark.parametrize("name", CASES)
def test_the_file_is_what_the_program_reads(
    rendering: Rendering, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the variables that the pod gets; every value that was given is a setting, as it was given."""
    settings = settings_of(rendering(name), tmp_path / "headrace.toml", monkeypatch)
    given = CASES[name]["settings"]
    for section in given.keys() - {"tables", "topics", "alerts"}:
        there = getattr(settings, section).model_dump(mode="json")
        for key, value in given[section].items():
            if isinstance(value, dict):
                assert there[key].items() >= value.items()
            elif value != "":
                assert there[key] == value
    assert settings.tables.keys() == given.get("tables", {}).keys()
    # a variable of no section, or of no setting, would be passed over without a word
    for variable in variables(rendering(name).workers["spec"]["template"]["spec"]["containers"][0]):
        if variable.startswith("HEADRACE_"):
            section, key, *_ = variable.removeprefix("HEADRACE_").lower().split("__")
            assert hasattr(getattr(settings, section), key)


@pytest.mark.parametrize("name", [name for name, values in CASES.items() if "admin" in values])
def test_the_admin_process_wants_to_know_who_asks(
    rendering: Rendering, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It listens for others, by the tokens of the values."""
    settings = settings_of(rendering(name), tmp_path / "admin.toml", monkeypatch, "admin.toml")
    assert (settings.admin.host, settings.admin.is_open) == (CASES[name].get("listen", "0.0.0.0"), False)
    assert settings.admin.tokens.keys() == CASES[name]["admin"].get("tokens", {}).keys()
    assert (settings.admin.oidc.client_secret is None) == (name != "console-by-provider")
    assert (settings.admin.session_key is None) == (name != "guarded")


def test_all_settings_pass_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every one that is not secret or the chart's own, each with its default: numbers, lists, tables and all."""
    monkeypatch.chdir(tmp_path)
    plain = Settings.model_validate(MINIMAL["settings"])
    whole: dict[str, Any] = plain.model_dump(mode="json", exclude_none=True, exclude=OWN)
    for section, names in {"admin": ("host", "port", "tokens"), "telemetry": ("host", "port")}.items():
        for key in names:
            del whole[section][key]
    found = rendered(merged(MINIMAL, {"settings": whole}), tmp_path)
    settings = settings_of(found, tmp_path / "headrace.toml", monkeypatch)
    listening = {"telemetry": plain.telemetry.model_copy(update={"host": "0.0.0.0"})}
    assert settings.model_dump(exclude=OWN) == plain.model_copy(update=listening).model_dump(exclude=OWN)


@pytest.mark.parametrize(("name", "address"), [("minimal", "0.0.0.0"), ("ipv6", "::")])
def test_metrics_and_probes_are_where_pods_and_services_say(
    rendering: Rendering, name: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an address that others reach."""
    found = rendering(name)
    telemetry = settings_of(found, tmp_path / "headrace.toml", monkeypatch).telemetry
    (container,) = found.workers["spec"]["template"]["spec"]["containers"]
    assert container["ports"] == [{"name": "metrics", "containerPort": telemetry.port}]
    assert telemetry.host == address


def test_where_metrics_are_is_not_for_the_settings_to_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the schema is passed over: probes that find nothing end all workers."""
    copy = tmp_path / "headrace"
    shutil.copytree(CHART, copy)
    (copy / "values.schema.json").unlink()
    elsewhere = {"settings": {"telemetry": {"host": "127.0.0.1", "port": 9999, "turn_within": 60}}}
    found = rendered(merged(MINIMAL, elsewhere), tmp_path, copy)
    telemetry = settings_of(found, tmp_path / "headrace.toml", monkeypatch).telemetry
    assert (telemetry.host, telemetry.port, telemetry.turn_within) == ("0.0.0.0", 9464, 60)


def test_no_secret_is_in_the_schema() -> None:
    """Whichever settings are added: what is secret is known by its type."""
    text = (CHART / "values.schema.json").read_text()
    assert not re.search(r'"writeOnly": true|"format": "password"', text)


def test_whole_numbers_stay_whole(rendering: Rendering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A constant column of a large one would be a float otherwise."""
    settings = settings_of(rendering("tables"), tmp_path / "headrace.toml", monkeypatch)
    assert repr(settings.tables["public.orders"].constants) == "{'batch': 20000000}"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("plain", "sasl.password"),
        ("scram-256", "sasl.password"),
        ("scram-512", "sasl.password"),
        ("oauth", "sasl.oauthbearer.client.secret"),
        ("tls", None),
        ("mtls", None),
        ("static", None),
    ],
)
def test_the_kafka_client_takes_its_settings(
    rendering: Rendering, name: str, secret: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client is made of them; the secret is in it whatever characters it has, and nowhere in the chart's output."""
    found = rendering(name)
    settings = kafka_settings(settings_of(found, tmp_path / "headrace.toml", monkeypatch))
    config = common_config(settings) | _files(common_config(settings), tmp_path)
    Producer(config)
    # the pod's name is given like a secret here
    expected = secret or ("group.instance.id" if name == "static" else None)
    assert [key for key, value in settings.client.items() if value == SECRET] == ([expected] if expected else [])


def _files(config: dict[str, Any], folder: Path) -> dict[str, str]:
    """Certificates in the place of those that a pod has, where Debian keeps the trusted ones elsewhere too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "demo")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    (folder / "crt").write_bytes(made)
    private = serialization.PrivateFormat.PKCS8
    (folder / "key").write_bytes(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))
    places = {"ssl.ca.location": "crt", "ssl.certificate.location": "crt", "ssl.key.location": "key"}
    return {name: str(folder / file) for name, file in places.items() if name in config}


@pytest.mark.parametrize("name", ["topics", "own-letters", "guarded", "old-topics"])
def test_the_topics_are_those_that_workers_would_make(
    rendering: Rendering, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name, partitions and retention."""
    settings = settings_of(rendering(name), tmp_path / "headrace.toml", monkeypatch)
    expected = {(each.name, each.partitions, int(each.retention * 1000)) for each in letter_topics(settings)}
    topics = rendering(name).all("KafkaTopic")
    assert {(t["spec"]["topicName"], t["spec"]["partitions"], t["spec"]["config"]["retention.ms"]) for t in topics} == (
        expected
    )
    assert {t["apiVersion"] for t in topics} == {f"kafka.strimzi.io/{'v1beta2' if name == 'old-topics' else 'v1'}"}


@pytest.mark.parametrize("name", CASES)
def test_no_secret_is_in_a_config_map(rendering: Rendering, name: str) -> None:
    """The chart makes no secrets, and what is secret comes from those that are there."""
    found = rendering(name)
    assert not found.all("Secret")
    for data in (each["data"] for each in found.all("ConfigMap")):
        for key, text in data.items():
            if key.endswith(".toml"):
                client = tomllib.loads(text)["kafka"].get("client", {})
                assert not [word for word in client if "password" in word or word.endswith("secret")]
