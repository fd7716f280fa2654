"""Sets of values, each of which the chart takes."""

from typing import Any

from tests.chart.rendering import example, merged

MINIMAL = example("minimal")
_SASL = {"username": "headrace", "existingSecret": "headrace-kafka"}
_PORTS = {"ports": [{"name": "debug", "containerPort": 9999}]}
_ALERTS = {"lag_seconds": 77, "pool_waits": 0.25, "memory_bytes": 2_000_000_000, "runbooks": "https://docs.example"}
_TOKENS = {"ada": {"sha256": "0" * 64, "role": "operator", "expires": "2030-01-01T00:00:00Z"}}
_PRIVATE = {"enabled": True, "caSecret": "ca"}
_OAUTH = {
    "mechanism": "OAUTHBEARER",
    "existingSecret": "headrace-kafka",
    "oauth": {"clientId": "headrace", "tokenEndpoint": "https://login.example/token", "scope": "kafka"},
}
_OIDC = {
    "url": "https://headrace.example",
    "oidc": {"issuer": "https://login.example", "client_id": "headrace", "roles": {"data": "operator"}},
}
_FROM = {"ingressFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "others"}}}]}
_PLACE = {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "data", "operator": "Exists"}]}
_LETTERS = {"delays": [1.5, 60], "retry_topic": "again.{group}.{n}", "dead_topic": "dead.{group}"}
_ADDED: dict[str, dict[str, Any]] = {
    "minimal": {},
    "tls": {"kafka": {"tls": {"enabled": True}}},
    "private-ca": {"kafka": {"tls": {"enabled": True, "caSecret": "ca", "caKey": "root.pem"}}},
    "mtls": {"kafka": {"tls": {"enabled": True, "caSecret": "ca", "clientSecret": "client"}}},
    "plain": {"kafka": {"tls": {"enabled": True}, "sasl": {"mechanism": "PLAIN", **_SASL}}},
    "scram-256": {"kafka": {"tls": {"enabled": True}, "sasl": {"mechanism": "SCRAM-SHA-256", **_SASL}}},
    "scram-512": {"kafka": {"tls": _PRIVATE, "sasl": {"mechanism": "SCRAM-SHA-512", **_SASL}}},
    "oauth": {"kafka": {"tls": {"enabled": True}, "sasl": _OAUTH}},
    "target-tls": {"target": {"tls": {"mode": "verify-full", "caSecret": "ca", "clientSecret": "client"}}},
    "target-by-secret": {
        "settings": {"target": {"dsn": ""}},
        "secrets": [{"name": "HEADRACE_TARGET__DSN", "secret": "target", "key": "dsn"}],
    },
    "static": {"worker": {"kind": "statefulSet", "staticMembership": True}},
    "stateful": {"worker": {"kind": "statefulSet"}},
    "admin": {"admin": {"enabled": True, "tokens": _TOKENS}},
    "console": {
        "admin": {
            "enabled": True,
            "tokens": _TOKENS,
            "ingress": {"enabled": True, "host": "headrace.example", "tlsSecret": "tls"},
        },
        "networkPolicy": _FROM,
    },
    "console-by-provider": {
        "admin": {"enabled": True, "oidcSecret": "provider", "oidcSecretKey": "secret"},
        "settings": {"admin": _OIDC},
    },
    "ipv6": {"listen": "::", "admin": {"enabled": True, "tokens": _TOKENS}},
    "monitored": {
        "worker": _PORTS,
        "admin": {"enabled": True, "tokens": _TOKENS},
        "podMonitor": {"enabled": True},
        "serviceMonitor": {"enabled": True},
        "networkPolicy": _FROM,
    },
    "unwatched": {"metrics": {"enabled": False}, "worker": _PORTS, "networkPolicy": _FROM},
    "boards": {"dashboards": {"enabled": True}, "prometheusRule": {"enabled": True}},
    "alerts": {"prometheusRule": {"enabled": True}, "settings": {"alerts": _ALERTS}},
    "scaled-with-login": {
        "kafka": {"tls": {"enabled": True}, "sasl": {"mechanism": "SCRAM-SHA-512", **_SASL}},
        "autoscaling": {"enabled": True, "authenticationRef": "headrace-kafka"},
    },
    "scaled": {"autoscaling": {"enabled": True, "topic": "shop.public.orders"}},
    "topics": {"strimzi": {"enabled": True, "cluster": "shop"}},
    "old-topics": {"strimzi": {"enabled": True, "cluster": "shop", "apiVersion": "kafka.strimzi.io/v1beta2"}},
    "own-letters": {"strimzi": {"enabled": True, "cluster": "shop"}, "settings": {"letters": _LETTERS}},
    "slow-drain": {"settings": {"worker": {"drain_timeout": 120.5}}},
    "tables": {
        "settings": {
            "tables": {
                'public."odd name"': {"columns": {"id": {"rename": "a.b"}}, "checks": {"amount": {"min": 0}}},
                "public.orders": {"strict": True, "soft_delete": "gone", "constants": {"batch": 20_000_000}},
            },
            "topics": {"shop.public.orders": {"table": "public.orders"}},
        }
    },
    "migration-role": {"migration": {"dsnSecret": "owner", "grantTo": ["headrace_worker", "-odd role"]}},
    "migration-role-beside-secrets": {
        "settings": {"target": {"dsn": ""}},
        "target": {"tls": {"mode": "verify-full", "caSecret": "ca", "clientSecret": "client"}},
        "secrets": [{"name": "HEADRACE_TARGET__DSN", "secret": "target", "key": "dsn"}],
        "migration": {"dsnSecret": "owner"},
    },
    "no-guards": {"podDisruptionBudget": {"enabled": False}, "networkPolicy": {"enabled": False}},
    "no-migration": {"migration": {"enabled": False}},
    "no-account": {"serviceAccount": {"create": False}},
    "own-account": {"serviceAccount": {"create": False, "name": "mine"}},
    "placed-together": {"admin": {"enabled": True, "tokens": _TOKENS}, "worker": _PLACE},
    "placed": {
        "admin": {
            "enabled": True,
            "tokens": _TOKENS,
            "nodeSelector": {"disk": "none"},
            "tolerations": [{"key": "tools", "operator": "Exists"}],
        },
        "worker": _PLACE,
    },
    "further": {
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "extraVolumes": [{"name": "contracts", "configMap": {"name": "contracts"}}],
        "extraVolumeMounts": [{"name": "contracts", "mountPath": "/etc/contracts"}],
        "worker": {
            "podLabels": {"team": "data"},
            "podAnnotations": {"a": "b"},
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"operator": "Exists"}],
            "priorityClassName": "high",
            "livenessProbe": {"httpGet": {"path": "/livez", "port": 9464}},
            "startupProbe": {"httpGet": {"path": "/livez", "port": 9464}},
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": 9464}},
            "updateStrategy": {"type": "Recreate"},
            "topologySpreadConstraints": [
                {"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"},
            ],
        },
    },
}
CASES = {name: merged(MINIMAL, added) for name, added in _ADDED.items()} | {"guarded": example("guarded")}
