"""The chart's schema of values and its page: from values.yaml, its comments, and the settings themselves."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from consumer.settings.loading import Settings
from tools.pages.markdown import code, page, table

CHART = Path(__file__).parents[2] / "helm/headrace"
_LINE = re.compile(r"^( *)(?:# ?(?P<comment>.*)|(?P<key>[\w]+):(?P<rest>.*))$")
_INTRO = """\
The values of the chart `helm/headrace`, with their defaults. Helm holds values to
[a schema](../../helm/headrace/values.schema.json) that is made of them and of the settings, so an unknown name or a
value that can't be is refused in front of any change; what a schema can't say is checked by the chart. The sections
below `settings` are those of [headrace.toml](settings.md), without what is secret or the chart's own."""

Schema = dict[str, Any]

# a section that has nothing but what is secret
_SECRET = "secrets"
# settings that the chart writes itself
_OURS = {"admin": ("host", "port"), "telemetry": ("host", "port"), "worker": ("stop_within",)}
_CLIENT_SECRETS = r"password|\.secret$|\.pem$|\.assertion"
_NAME = {"pattern": r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$", "maxLength": 253}
_POSITIVE = {"minimum": 1}
_ADDRESS = r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:]*)$"
# beside the type that the default has
_BOUNDS: dict[str, Schema] = {
    "replicas": {"minimum": 0, "maximum": 1000},
    "image.repository": {"minLength": 1},
    "image.digest": {"pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "kafka.tls.caSecret": _NAME,
    "kafka.tls.clientSecret": _NAME,
    "kafka.sasl.mechanism": {"enum": ["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]},
    "kafka.sasl.existingSecret": _NAME,
    "kafka.sasl.oauth.tokenEndpoint": {"pattern": "^(https://.+)?$"},
    "target.tls.mode": {"enum": ["", "disable", "prefer", "require", "verify-ca", "verify-full"]},
    "target.tls.caSecret": _NAME,
    "target.tls.clientSecret": _NAME,
    "target.existingSecret": _NAME,
    "worker.kind": {"enum": ["deployment", "statefulSet"]},
    "worker.terminationSlack": {"minimum": 10, "maximum": 600},
    "worker.minReadySeconds": {"minimum": 0},
    "worker.readiness.periodSeconds": {"minimum": 10},
    "listen": {"pattern": _ADDRESS},
    "metrics.port": {"minimum": 1024, "maximum": 65_535},
    "admin.replicas": {"minimum": 1, "maximum": 20},
    "admin.port": {"minimum": 1024, "maximum": 65_535},
    "admin.sessionKeySecret": _NAME,
    "admin.oidcSecret": _NAME,
    "admin.ingress.tlsSecret": _NAME,
    "admin.ingress.oidc.authUrl": {"pattern": "^(https?://.+)?$"},
    "admin.ingress.oidc.signinUrl": {"pattern": "^(https?://.+)?$"},
    "migration.waitSeconds": {"minimum": 0, "maximum": 86_400},
    "migration.dsnSecret": _NAME,
    "migration.activeDeadlineSeconds": _POSITIVE,
    "migration.backoffLimit": {"minimum": 0},
    "podSecurityContext.runAsNonRoot": {"const": True},
    "podSecurityContext.runAsUser": _POSITIVE,
    "containerSecurityContext.allowPrivilegeEscalation": {"const": False},
    "containerSecurityContext.readOnlyRootFilesystem": {"const": True},
    "podDisruptionBudget.maxUnavailable": {"type": ["integer", "string"], "pattern": "^[0-9]+%$", "minimum": 1},
    "podMonitor.path": {"pattern": "^/"},
    "podMonitor.interval": {"pattern": "^[0-9]+(ms|s|m)$"},
    "serviceMonitor.path": {"pattern": "^/"},
    "serviceMonitor.interval": {"pattern": "^[0-9]+(ms|s|m)$"},
    "autoscaling.minReplicas": {"minimum": 0},
    "autoscaling.maxReplicas": _POSITIVE,
    "autoscaling.lagThreshold": _POSITIVE,
    "autoscaling.activationLagThreshold": {"minimum": 0},
    "autoscaling.pollingInterval": _POSITIVE,
    "autoscaling.cooldownPeriod": {"minimum": 0},
    "strimzi.apiVersion": {"enum": ["kafka.strimzi.io/v1", "kafka.strimzi.io/v1beta2"]},
    "strimzi.replicas": _POSITIVE,
    "strimzi.partitions": {"minimum": 1, "maximum": 64},
    "strimzi.retentionHours": _POSITIVE,
    "strimzi.minInSyncReplicas": _POSITIVE,
}
_ITEMS: dict[str, Schema] = {
    "migration.grantTo": {"type": "string", "minLength": 1, "maxLength": 63},
    "secrets": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": "^HEADRACE_[A-Z0-9_.]+$"},
            "secret": {"type": "string", "minLength": 1},
            "key": {"type": "string", "minLength": 1},
        },
        "required": ["name", "secret", "key"],
        "additionalProperties": False,
    },
    "worker.ports": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "containerPort": {"type": "integer"},
            "protocol": {"enum": ["TCP"]},
        },
        "required": ["name", "containerPort"],
        "additionalProperties": False,
    },
}


def values_schema() -> str:
    """The JSON schema that Helm holds values to."""
    settings = Settings.model_json_schema(ref_template="#/$defs/{model}")
    schema = _schema("", _values())
    schema["properties"]["settings"] = _settings(settings)
    schema["properties"]["admin"]["properties"]["tokens"] = settings["$defs"]["Admin"]["properties"].pop("tokens")
    # Helm and umbrella charts put it there
    schema["properties"]["global"] = {"type": "object"}
    found = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": settings["$defs"]}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def chart_page() -> str:
    """The page."""
    rows = [
        (code(path), code(json.dumps(value)), html.escape(said.get(path, ""), quote=False))
        for said in [_comments()]
        for path, value in _leaves("", _values())
    ]
    return page("Chart", _INTRO, table(("value", "default", "meaning"), rows))


def _values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return found


def _schema(path: str, value: Any) -> Schema:
    """What may stand in the place of a default; an empty table may hold anything, a filled one only its names."""
    bounds = _BOUNDS.get(path, {})
    if isinstance(value, dict):
        if not value or path.endswith(("resources", "labels", "capabilities", "seccompProfile")):
            return {"type": "object"}
        properties = {name: _schema(f"{path}.{name}".lstrip("."), each) for name, each in value.items()}
        return {"type": "object", "properties": properties, "additionalProperties": path.endswith("SecurityContext")}
    if isinstance(value, list):
        return {"type": "array", "items": _ITEMS.get(path, {"type": ["object", "string"]})}
    kind = {bool: "boolean", int: "integer", str: "string"}[type(value)]
    return {"type": kind, **bounds}


def _settings(schema: Schema) -> Schema:
    """The settings without what is secret, or the chart's own; the target may be named by a secret."""
    defs = schema["$defs"]
    del schema["properties"][_SECRET]
    for model in defs.values():
        model["properties"] = {name: each for name, each in model["properties"].items() if not _is_secret(each)}
    for section, names in _OURS.items():
        for name in names:
            del defs[section.capitalize()]["properties"][name]
    defs["Kafka"]["properties"]["client"]["propertyNames"] = {"not": {"pattern": _CLIENT_SECRETS}}
    target = defs["Target"]
    target["required"] = []
    del target["properties"]["dsn"]["minLength"]
    return {"type": "object", "additionalProperties": False, "properties": schema["properties"]} | {
        "required": ["kafka", "registry"]
    }


def _is_secret(schema: Schema) -> bool:
    return any(part.get("writeOnly", False) for part in (schema, *schema.get("anyOf", ())))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value and not path.endswith(("resources", "capabilities")):
        for name, each in value.items():
            yield from _leaves(f"{path}.{name}".lstrip("."), each)
    else:
        yield path, value


def _comments() -> dict[str, str]:
    """What stands above each value; of a section, with its first value."""
    found: dict[str, str] = {}
    above: list[str] = []
    names: list[str] = []
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        match = _LINE.match(line)
        if match is None:
            above = []
        elif match["comment"] is not None:
            above.append(match["comment"])
        else:
            names = [*names[: len(match[1]) // 2], match["key"]]
            found[".".join(names)] = " ".join(above)
            # a section hands it down to its first value
            above = above if not match["rest"].strip() else []
    return found
