"""What the figures were measured on."""

import os
import platform
from importlib.metadata import version

import psutil

from consumer.bench.engine import PACKAGES
from consumer.bench.rig import CONNECT_HEAP_MB, TARGET_SETTINGS, Rig

_DEBEZIUM, _KAFKA = "3.6.0.Final", "4.3.1"


def facts(rig: Rig) -> dict[str, str]:
    """Machine, servers, versions."""
    with rig.target() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()}, {platform.machine()}",
        "Python": platform.python_version(),
        "PostgreSQL": str(row[0]) if row else "unknown",
        "Kafka and Connect": _KAFKA,
        "Debezium (source and JDBC sink)": _DEBEZIUM,
        "Connect's heap": f"{CONNECT_HEAP_MB} MB",
        "target settings": ", ".join(f"{name}={value}" for name, value in TARGET_SETTINGS.items()),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }
