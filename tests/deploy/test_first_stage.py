"""What the image's first stage makes, by its own commands in a folder: what can be tried without an engine."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.stack.waiting import wait_until
from tests.deploy.dockerfile import PIN, ROOT, STRANGERS, copied, stages

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the first stage leaves in /opt, made by its own commands in a folder."""
    scratch = tmp_path_factory.mktemp("image")
    source, opt = scratch / "src", scratch / "opt"
    source.mkdir()
    opt.mkdir()
    _, (build, _) = stages()
    for each in build.instructions:
        if each.name == "COPY":
            *names, _ = each.words
            for name in names:
                copied(ROOT / name, source)
        elif each.name == "RUN":
            command = each.text.replace("/opt/", f"{opt}/").replace("python -m venv", f"{sys.executable} -m venv")
            done = subprocess.run(["sh", "-ec", command], cwd=source, capture_output=True, text=True, timeout=600)
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    yield opt / "headrace"
    shutil.rmtree(scratch)


def _headrace(built: Path, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command, where nothing of this repository can be found."""
    environment = {"PATH": f"{built}/bin:/usr/bin:/bin", "USER": "headrace", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(["headrace", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def test_the_first_stage_makes_a_service_that_starts(built: Path, tmp_path: Path) -> None:
    """The wheel has all files that it needs: migrations, templates, the settings' mistakes in words."""
    helped = _headrace(built, "--help", folder=tmp_path)
    assert (helped.returncode, "positions" in helped.stdout) == (0, True), helped.stderr

    lacking = _headrace(built, "run", folder=tmp_path)
    assert (lacking.returncode, "kafka.bootstrap_servers: is required" in lacking.stderr) == (2, True)

    (tmp_path / "headrace.toml").write_text(
        '[kafka]\nbootstrap_servers = "127.0.0.1:1"\ntopics = ["t"]\n[registry]\nurl = "http://127.0.0.1:1"\n'
        '[target]\ndsn = "host=127.0.0.1 port=1 connect_timeout=1"\n'
    )
    refused = _headrace(built, "positions", "ls", folder=tmp_path)
    assert (refused.returncode, "target.connection" in refused.stderr) == (1, True), refused.stderr
    kept = {path.relative_to(built).as_posix() for path in built.rglob("*.sql")}
    assert any(name.endswith("consumer/edges/postgres/sql/0001_positions.sql") for name in kept)
    assert list(built.rglob("console.css"))


def test_a_worker_wants_no_file_system_to_write_to(built: Path, tmp_path: Path) -> None:
    """It starts and ends in order where everything is read-only, and so does not write where a container could."""
    settings = {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "HEADRACE_KAFKA__TOPICS": '["t"]',
        "HEADRACE_REGISTRY__URL": "http://127.0.0.1:1",
        "HEADRACE_TARGET__DSN": "host=127.0.0.1 port=1",
        "HEADRACE_WORKER__DRAIN_TIMEOUT": "5",
    }
    read_only = "mount --rbind / / && mount -o remount,bind,ro / && cd /etc && ! touch headrace 2>/dev/null"
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", f"{read_only} && exec {built}/bin/headrace run"]
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "USER": "headrace", **settings}
    log = tmp_path / "log"
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as worker:
        try:
            assert wait_until(lambda: '"worker starts"' in log.read_text() or worker.poll() is not None, 60)
            worker.terminate()
            code = worker.wait(60)
        finally:
            worker.kill()
    said = log.read_text()
    assert ('"worker starts"' in said, "Read-only" in said, "Errno" in said) == (True, False, False), said
    assert code in (0, 1), said


def test_commands_of_the_embedded_stack_say_what_they_lack(built: Path, tmp_path: Path) -> None:
    """They are not for a container."""
    done = _headrace(built, "stack", "up", folder=tmp_path)
    assert done.returncode == 1
    assert "headrace[stack]" in done.stderr


def test_the_environment_holds_what_is_locked_and_its_bill_of_materials_lists_it(built: Path) -> None:
    """All of it and nothing else."""
    asked = (
        "import importlib.metadata as m; print(*sorted({d.name.lower().replace('_', '-') for d in m.distributions()}))"
    )
    done = subprocess.run([built / "bin/python", "-c", asked], capture_output=True, text=True, timeout=60, check=True)
    installed = {name.lower().replace("_", "-") for name in done.stdout.split()}
    assert not installed & STRANGERS
    locked = {name.lower() for name, _ in PIN.findall((ROOT / "requirements-runtime.lock").read_text())}
    assert installed <= locked | {"headrace"}

    bill = json.loads((built / "share/headrace/sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    listed = {each["name"].lower().replace("_", "-") for each in bill["components"]}
    assert listed == installed
    assert all(each.get("purl") for each in bill["components"] if each["name"] != "headrace")
