"""The image: the rules that its Dockerfile keeps, and what it is made of."""

import json
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from tests.deploy.dockerfile import PIN, ROOT, STRANGERS, copied, stages

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
    names = {name for name, _ in PIN.findall(part)}
    assert not names & STRANGERS
    assert {"confluent-kafka", "psycopg-binary", "polars-avro", "fastapi"} <= names


def test_the_wheel_has_every_file_of_the_packages(tmp_path: Path) -> None:
    """Migrations, templates, styles: what is not packaged is missing in an image only, since here sources are read."""
    source = tmp_path / "src"
    source.mkdir()
    for name in ("LICENSE", "README.md", "pyproject.toml", "consumer", "dlq"):
        copied(ROOT / name, source)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        "wheel",
        ".",
    ]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (wheel,) = (source / "wheel").glob("*.whl")
    packed = {name for name in ZipFile(wheel).namelist() if name.startswith(("consumer/", "dlq/"))}
    assert packed == {
        file.relative_to(source).as_posix()
        for top in ("consumer", "dlq")
        for file in (source / top).rglob("*")
        if file.is_file()
    }
