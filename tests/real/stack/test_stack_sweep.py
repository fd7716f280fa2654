"""What works in a data directory when its owner is gone is found and ended, whoever it runs as."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from consumer.stack import sweep
from consumer.stack.account import unprivileged_user

_NO_PTRACE = ("setpriv", "--bounding-set", "-sys_ptrace", "--")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL under another user")
@pytest.mark.parametrize("before", [(), _NO_PTRACE], ids=["all of root's rights", "as in a container"])
def test_another_users_leftover_is_ended(tmp_path: Path, before: tuple[str, ...]) -> None:
    """A container's root may not look into other users' processes, but may become such a user."""
    program, user = shutil.which("sleep"), unprivileged_user()
    assert program is not None
    assert user is not None
    words = [*before, sys.executable, "-I", "-S", sweep.__file__, str(tmp_path), str(Path(program).resolve().parent)]
    with subprocess.Popen([program, "600"], cwd=tmp_path, user=user.uid, group=user.gid, extra_groups=[]) as leftover:
        try:
            subprocess.run(words, stdin=subprocess.DEVNULL, timeout=60, check=True)
            assert leftover.poll() is not None
        finally:
            leftover.kill()
