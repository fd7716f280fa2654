"""Becomes one part of the stack: own session, own user, tied to the life of its parent, then exec.

Run as a plain script in isolated mode; it imports nothing of the package. The order matters: changing the user clears
the parent-death signal, so it is set afterwards; a parent that died before that is seen by the changed parent id.
"""

import argparse
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
DIRECTORY_TOKEN = "{dir}"
# Some interpreters do not start without it; the servers bring their own libraries.
INTERPRETER_ONLY = ("LD_LIBRARY_PATH",)


def main() -> None:
    """Never returns: the process becomes the command, or ends."""
    arguments = _arguments()
    directory = arguments.directory
    os.setsid()
    if arguments.uid is not None:
        # The way to the directory may be closed to that user; an open descriptor needs no way.
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        os.set_inheritable(descriptor, True)
        directory = f"/proc/self/fd/{descriptor}"
        os.setgroups([])
        os.setgid(arguments.gid)
        os.setuid(arguments.uid)
    os.umask(0o077)
    _die_with_parent(arguments.parent, arguments.death_signal)
    os.chdir(directory)
    command = [word.replace(DIRECTORY_TOKEN, directory) for word in arguments.command]
    if command[0] != sys.executable:
        for name in INTERPRETER_ONLY:
            os.environ.pop(name, None)
    os.execv(command[0], command)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--death-signal", type=int, required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def _die_with_parent(parent: int, death_signal: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
