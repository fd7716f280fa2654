"""The workflow runs what people run: commands that there are, by a schema that GitHub takes."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "check.yml"


def matrix() -> list[dict[str, Any]]:
    """What runs."""
    found: list[dict[str, Any]] = yaml.safe_load(WORKFLOW.read_text())["jobs"]["make"]["strategy"]["matrix"]["include"]
    return found


def test_it_has_the_form_of_a_workflow() -> None:
    """By GitHub's schema, which the checker brings along."""
    words = ["-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_each_command_is_one_of_make() -> None:
    """And every suite of tests is run by one."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = {each["command"] for each in matrix()}
    assert commands <= targets
    assert {"test", "security-tests", "chart-tests", "docs-tests", "site", "console-tests", "audit", "sbom"} <= commands


def test_it_may_read_and_nothing_more() -> None:
    """Nothing that a change brings along can write to the repository."""
    assert yaml.safe_load(WORKFLOW.read_text())["permissions"] == {"contents": "read"}


def test_tools_are_locked_with_hashes_and_name_no_index() -> None:
    """So that the audit is not the way in."""
    text = (ROOT / "deploy" / "audit" / "audit.lock").read_text()
    packages = re.findall(r"^[a-z0-9][\w.-]*==", text, re.MULTILINE)
    assert "pip-audit==" in packages
    assert text.count("--hash=sha256:") >= len(packages)
    assert "http" not in text
    assert "index-url" not in text
