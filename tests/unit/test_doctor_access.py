"""What `headrace doctor` makes of the ways to brokers and over HTTP."""

import pytest

from consumer.core.doctor import access
from tests.unit.findings import told

TLS = {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"}


@pytest.mark.parametrize(
    ("servers", "client", "wanted"),
    [
        ("127.0.0.1:9092,localhost:9093,[::1]:9094", {}, {}),
        ("kafka:9092", {}, {"kafka.security": "warn"}),
        ("127.0.0.1:9092,kafka:9092", {}, {"kafka.security": "warn"}),
        ("kafka:9092", {"security.protocol": "sasl_plaintext"}, {"kafka.security": "warn"}),
        ("kafka:9092", TLS, {}),
        ("kafka:9092", {**TLS, "enable.ssl.certificate.verification": "false"}, {"kafka.security": "warn"}),
        ("kafka:9092", {**TLS, "ssl.endpoint.identification.algorithm": "none"}, {"kafka.security": "warn"}),
    ],
)
def test_ways_to_brokers(servers: str, client: dict[str, str], wanted: dict[str, str]) -> None:
    """Unencrypted ones are for this machine alone; what is not checked is said."""
    assert told(access.brokers(servers, client)) == wanted


@pytest.mark.parametrize(
    ("url", "wanted"),
    [("https://registry", {}), ("http://127.0.0.1:8081", {}), ("http://registry", {"registry.security": "warn"})],
)
def test_ways_over_http(url: str, wanted: dict[str, str]) -> None:
    """Likewise."""
    assert told(access.site(access.REGISTRY, [access.Site(url=url, setting="registry.url")])) == wanted
