"""How servers are reached: whether anybody on the way can read along, or be taken for the server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumer.core.addresses import is_loopback, is_safe
from consumer.core.doctor.finding import Area, Check, Finding

BROKERS = Check(
    "kafka.security",
    Area.KAFKA,
    "how brokers are spoken to: TLS, login, whether certificates and names are checked",
    "warn: unencrypted beyond this machine, certificates or names that are not checked",
)
REGISTRY = Check(
    "registry.security",
    Area.REGISTRY,
    "whether the registry is spoken to over TLS",
    "warn: unencrypted beyond this machine",
)
CONNECT = Check(
    "connect.security",
    Area.CONNECT,
    "whether Kafka Connect is spoken to over TLS",
    "warn: unencrypted beyond this machine",
)
_NO = ("false", "f", "0", "no")
_ENCRYPT = "Set security.protocol to SSL or SASL_SSL in kafka.client, and ssl.ca.location."


def brokers(servers: str, client: Mapping[str, str]) -> list[Finding]:
    """By the client's settings."""
    protocol = client.get("security.protocol", "plaintext").upper()
    hosts = [each.strip().rpartition("://")[2].rpartition(":")[0].strip("[]") for each in servers.split(",")]
    login = client.get("sasl.mechanism", client.get("sasl.mechanisms", "GSSAPI")) if "SASL" in protocol else ""
    said = f"{protocol}{f' with {login}' if login else ''}"
    if not protocol.endswith("SSL"):
        if all(is_loopback(host) for host in hosts):
            return [BROKERS.ok(f"{said}, on this machine alone")]
        read = "records and the login" if login else "records"
        return [BROKERS.warn(f"{said}: {read} can be read and changed on the way", _ENCRYPT)]
    return BROKERS.all_ok([BROKERS.warn(what, remedy) for what, remedy in _unchecked(client)], said)


def _unchecked(client: Mapping[str, str]) -> list[tuple[str, str]]:
    found = []
    if client.get("enable.ssl.certificate.verification", "true").lower() in _NO:
        remedy = "Remove enable.ssl.certificate.verification from kafka.client, and set ssl.ca.location."
        found.append(("certificates of brokers are not checked, so anybody may stand in for one", remedy))
    if client.get("ssl.endpoint.identification.algorithm", "https").lower() == "none":
        remedy = "Remove ssl.endpoint.identification.algorithm from kafka.client."
        found.append(("names in certificates of brokers are not checked", remedy))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A server that is asked over HTTP, and the setting that names it."""

    url: str
    setting: str


def site(check: Check, sites: Sequence[Site]) -> list[Finding]:
    """Whether nobody on the way can read or change what is said there."""
    bad = [
        check.warn(
            f"{one.setting} leads beyond this machine without TLS: what is said there can be read and changed",
            f"Name an https address in {one.setting}.",
        )
        for one in sites
        if not is_safe(one.url)
    ]
    encrypted = all(one.url.startswith("https") for one in sites)
    return check.all_ok(bad, "over TLS" if encrypted else "on this machine alone")
