"""Resolves the stack's Maven dependencies anew into artifacts.json: `python -m consumer.stack.relock`.

Needed only when a version below changes. Every start then downloads exactly what the file lists, and checks it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from consumer.stack.artifacts import LOCK_FILE
from consumer.stack.cache import cache_dir
from consumer.stack.digests import sha256

if TYPE_CHECKING:
    from jgo.maven import Dependency, MavenContext

KAFKA = "4.3.1"
DEBEZIUM = "3.6.0.Final"
APICURIO = "2.6.13.Final"

_CLASSPATHS = {
    "kafka": (
        f"org.apache.kafka:kafka_2.13:{KAFKA}",
        f"org.apache.kafka:connect-runtime:{KAFKA}",
        # "!": its own parent's versions must not rule over Kafka's.
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!",
    ),
    "apicurio-converter": (f"io.apicurio:apicurio-registry-utils-converter:{APICURIO}",),
}
_TARBALLS = {
    "registry": ("io.apicurio", "apicurio-registry-app", APICURIO, "all"),
    "debezium-postgres": ("io.debezium", "debezium-connector-postgres", DEBEZIUM, "plugin"),
    "debezium-mysql": ("io.debezium", "debezium-connector-mysql", DEBEZIUM, "plugin"),
    "debezium-jdbc": ("io.debezium", "debezium-connector-jdbc", DEBEZIUM, "plugin"),
}
# What Connect itself gives to its plugins must not come a second time with the converter.
_GIVEN_BY_CONNECT = ("org.apache.kafka", "org.slf4j", "org.xerial.snappy", "org.lz4", "com.github.luben")


def main() -> None:
    """Writes artifacts.json next to this module."""
    from jgo.maven import MavenContext, PythonResolver

    context = MavenContext(resolver=PythonResolver(), repo_cache=cache_dir() / "relock")
    lock = {name: _classpath(context, name, roots) for name, roots in _CLASSPATHS.items()}
    for name, (group, artifact, version, classifier) in _TARBALLS.items():
        found = context.project(group, artifact).at_version(version).artifact(classifier, "tar.gz").resolve()
        lock[name] = {f"{group}:{artifact}:{version}:{classifier}:tar.gz": sha256(found)}
    LOCK_FILE.write_text(json.dumps(lock, indent=1) + "\n", encoding="utf-8")


def _classpath(context: MavenContext, name: str, roots: tuple[str, ...]) -> dict[str, str]:
    inputs = [context.create_dependency(root) for root in roots]
    resolved, transitive = context.resolver.resolve(inputs)
    wanted = [*resolved, *(each for each in transitive if each.scope in ("compile", "runtime"))]
    if name != "kafka":
        wanted = [each for each in wanted if each.groupId not in _GIVEN_BY_CONNECT]
    pairs = {_coordinate(each): sha256(each.artifact.resolve()) for each in wanted}
    return dict(sorted(pairs.items()))


def _coordinate(dependency: Dependency) -> str:
    return (
        f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}:{dependency.classifier}:{dependency.type}"
    )


if __name__ == "__main__":
    main()
