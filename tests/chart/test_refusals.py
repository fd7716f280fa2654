"""Values that can't be are refused in front of any change, each with its name."""

from pathlib import Path
from typing import Any

import pytest

from tests.chart.cases import MINIMAL
from tests.chart.rendering import Refused, merged, rendered

_SASL = {"username": "u", "existingSecret": "s"}
_ADMIN = {"enabled": True, "tokens": {"ada": {"sha256": "0" * 64}}}
_INGRESS = {"enabled": True, "host": "h", "tlsSecret": "s"}
_SCRAM = {"tls": {"enabled": True}, "sasl": {"mechanism": "SCRAM-SHA-512", **_SASL}}
_LOGIN = "https://u:p@there"
_CLIENT_SECRET = "HEADRACE_ADMIN__OIDC__CLIENT_SECRET"
_OAUTH = {"clientId": "c", "tokenEndpoint": f"{_LOGIN}/token"}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"replica": 2}, "replica"),
    ({"replicas": "two"}, "/replicas"),
    ({"replicas": -1}, "/replicas"),
    ({"image": {"digest": "latest"}}, "/image/digest"),
    ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    ({"settings": {"kafka": {"topics": []}}}, "/settings/kafka/topics"),
    ({"settings": {"kafka": {"topic": "a"}}}, "topic"),
    ({"settings": {"batch": {"max_rows": 0}}}, "/settings/batch/max_rows"),
    ({"settings": {"batch": {"max_row": 1}}}, "max_row"),
    ({"settings": {"registry": {"url": "registry:8080"}}}, "/settings/registry/url"),
    ({"settings": {"worker": {"drain_timeout": "long"}}}, "/settings/worker/drain_timeout"),
    ({"settings": {"nonsense": {}}}, "nonsense"),
    # what is secret, or the chart's own
    ({"settings": {"secrets": {"hash_key": "0123456789abcdef"}}}, "secrets"),
    ({"settings": {"connect": {"password": "p"}}}, "password"),
    ({"settings": {"registry": {"password": "p"}}}, "password"),
    ({"settings": {"registry": {"token": "t"}}}, "token"),
    ({"settings": {"admin": {"session_key": "0" * 32}}}, "session_key"),
    ({"settings": {"admin": {"oidc": {"client_secret": "p"}}}}, "client_secret"),
    ({"settings": {"admin": {"tokens": {}}}}, "tokens"),
    ({"settings": {"admin": {"host": "::"}}}, "host"),
    ({"settings": {"telemetry": {"host": "127.0.0.1"}}}, "host"),
    ({"settings": {"telemetry": {"port": 9999}}}, "port"),
    ({"settings": {"worker": {"stop_within": 600}}}, "stop_within"),
    ({"listen": "everywhere"}, "/listen"),
    ({"settings": {"registry": {"apicurio_url": _LOGIN}}}, "settings.registry.apicurio_url: a login"),
    ({"settings": {"connect": {"url": _LOGIN}}}, "settings.connect.url: a login"),
    ({"settings": {"trace": {"endpoint": _LOGIN}}}, "settings.trace.endpoint: a login"),
    ({"settings": {"admin": {"oidc": {"issuer": _LOGIN}}}}, "settings.admin.oidc.issuer: a login"),
    ({"settings": {"kafka": {"client": {"https.ca.location": _LOGIN}}}}, "kafka.client.https.ca.location: a login"),
    ({"settings": {"source": {"unavailable_values": ["x", _LOGIN]}}}, "source.unavailable_values: a login"),
    ({"kafka": {"sasl": {**_SASL, "mechanism": "OAUTHBEARER", "oauth": _OAUTH}}}, "tokenEndpoint: a login"),
    ({"settings": {"kafka": {"client": {"sasl.password": "p"}}}}, "sasl.password"),
    ({"settings": {"kafka": {"client": {"ssl.key.password": "p"}}}}, "ssl.key.password"),
    ({"settings": {"kafka": {"client": {"sasl.oauthbearer.client.secret": "p"}}}}, "client.secret"),
    ({"settings": {"target": {"dsn": "host=target password=p"}}}, "has a password"),
    ({"settings": {"target": {"dsn": "postgresql://u:p@target/shop"}}}, "has a password"),
    ({"settings": {"source": {"dsn": "host=source password=p"}}}, "settings.source.dsn has a password"),
    ({"settings": {"registry": {"url": "https://u:p@registry"}}}, "has a password"),
    ({"settings": {"target": {"dsn": ""}}}, "HEADRACE_TARGET__DSN"),
    ({"extraEnv": [{"name": "PGPASSWORD", "value": "p"}]}, "PGPASSWORD is given twice to the container worker"),
    (
        {"admin": {**_ADMIN, "oidcSecret": "s"}, "secrets": [{"name": _CLIENT_SECRET, "secret": "s", "key": "k"}]},
        f"{_CLIENT_SECRET} is given twice to the container admin",
    ),
    ({"secrets": [{"name": "OTHER", "secret": "s", "key": "k"}]}, "/secrets/0/name"),
    ({"secrets": [{"name": "HEADRACE_X", "secret": "s"}]}, "key"),
    ({"kafka": {"sasl": {"mechanism": "GSSAPI"}}}, "/kafka/sasl/mechanism"),
    ({"kafka": {"tls": {"enabled": True}, "sasl": {"mechanism": "PLAIN", "username": "u"}}}, "existingSecret"),
    ({"kafka": {"tls": {"enabled": True}, "sasl": {"mechanism": "PLAIN", "existingSecret": "s"}}}, "username"),
    ({"kafka": {"sasl": {"mechanism": "SCRAM-SHA-512", **_SASL}}}, "kafka.tls.enabled"),
    ({"kafka": {"tls": {"enabled": True}, "sasl": {"mechanism": "OAUTHBEARER", **_SASL}}}, "tokenEndpoint"),
    ({"kafka": {"sasl": {"oauth": {"tokenEndpoint": "http://login"}}}}, "tokenEndpoint"),
    ({"target": {"tls": {"mode": "maybe"}}}, "/target/tls/mode"),
    ({"worker": {"kind": "daemonSet"}}, "/worker/kind"),
    ({"worker": {"staticMembership": True}}, "statefulSet"),
    ({"worker": {"terminationSlack": 0}}, "/worker/terminationSlack"),
    ({"podSecurityContext": {"runAsNonRoot": False}}, "runAsNonRoot"),
    ({"podSecurityContext": {"runAsUser": 0}}, "runAsUser"),
    ({"containerSecurityContext": {"readOnlyRootFilesystem": False}}, "readOnlyRootFilesystem"),
    ({"admin": {"enabled": True}}, "admin.tokens"),
    ({"admin": {**_ADMIN, "tokens": {"ada": {"sha256": "short"}}}}, "/admin/tokens/ada/sha256"),
    ({"admin": {**_ADMIN, "tokens": {"ada": {"sha256": "0" * 64, "role": "king"}}}}, "/admin/tokens/ada/role"),
    ({"admin": {**_ADMIN, "replicas": 2}}, "sessionKeySecret"),
    ({"admin": {**_ADMIN, "ingress": {**_INGRESS, "tlsSecret": ""}}}, "tlsSecret"),
    ({"admin": {**_ADMIN, "ingress": {**_INGRESS, "host": ""}}}, "admin.ingress.host"),
    (
        {"admin": {**_ADMIN, "ingress": _INGRESS}},
        "ingressFrom is empty, so that nobody comes in: name who admin.ingress",
    ),
    ({"podMonitor": {"enabled": True}}, "ingressFrom is empty, so that nobody comes in: name who podMonitor"),
    ({"serviceMonitor": {"enabled": True}}, "ingressFrom is empty, so that nobody comes in: name who serviceMonitor"),
    ({"admin": {"ingress": {"enabled": True}}}, "admin.enabled"),
    ({"podMonitor": {"enabled": True}, "metrics": {"enabled": False}}, "worker.ports"),
    ({"settings": {"telemetry": {"serve": False}}}, "metrics.enabled"),
    ({"metrics": {"port": 80}}, "/metrics/port"),
    ({"metrics": {"port": 8470}, "admin": _ADMIN}, "admin.port"),
    ({"settings": {"alerts": {"lag_seconds": 0}}}, "/settings/alerts/lag_seconds"),
    (
        {"prometheusRule": {"enabled": True}, "settings": {"telemetry": {"look_every": 31}}},
        "alerts.unseen_seconds must be at least twice",
    ),
    ({"prometheusRule": {"enabled": True}, "settings": {"alerts": {"unseen_seconds": 79}}}, "alerts.unseen_seconds"),
    (
        {"prometheusRule": {"enabled": True}, "settings": {"target": {"batch_deadline": 40}}},
        "alerts.loop_seconds must be more than 1.25 times",
    ),
    ({"prometheusRule": {"enabled": True}, "settings": {"alerts": {"loop_seconds": 47}}}, "alerts.loop_seconds"),
    (
        {"prometheusRule": {"enabled": True}, "settings": {"alerts": {"loop_seconds": 120}}},
        "alerts.loop_seconds must be less than settings.worker.stall_timeout",
    ),
    ({"serviceMonitor": {"enabled": True, "port": "other"}}, "worker.ports"),
    ({"podMonitor": {"interval": "often"}}, "/podMonitor/interval"),
    ({"podDisruptionBudget": {"maxUnavailable": 0}}, "/podDisruptionBudget/maxUnavailable"),
    ({"autoscaling": {"enabled": True, "minReplicas": 9}}, "maxReplicas"),
    ({"autoscaling": {"enabled": True}, "kafka": _SCRAM}, "autoscaling.authenticationRef"),
    ({"autoscaling": {"lagThreshold": 0}}, "/autoscaling/lagThreshold"),
    ({"strimzi": {"enabled": True}}, "strimzi.cluster"),
    ({"strimzi": {"apiVersion": "v7"}}, "/strimzi/apiVersion"),
    ({"networkPolicy": {"egress": "all"}}, "/networkPolicy/egress"),
]


@pytest.mark.parametrize(("values", "said"), REFUSED, ids=lambda each: each if isinstance(each, str) else "")
def test_what_can_not_be_is_refused(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    """And what was wrong is said."""
    with pytest.raises(Refused, match=said.replace(".", r"\.")):
        rendered(merged(MINIMAL, values), tmp_path)


def test_what_has_no_default_is_asked_for(tmp_path: Path) -> None:
    """All of it at once."""
    with pytest.raises(Refused) as caught:
        rendered({}, tmp_path)
    assert all(name in str(caught.value) for name in ("bootstrap_servers", "topics", "registry/url"))
