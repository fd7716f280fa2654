"""A shell on a terminal of its own, as somebody has it who follows a page: commands ask there, and are answered."""

import codecs
import contextlib
import os
import pty
import re
import subprocess
import termios
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

_MARK = "the-command-ended-with"
_ENDED = re.compile(rf"\n{_MARK} (\d+)\r?\n")
_ASKED = re.compile(r"(?:\[y/N\]|Type (\d+) to [^\n]*): $")
_PIECE, _TOLD = 65_536, 3_000
_PLAIN = {"PS1": "", "PS2": "", "TERM": "dumb", "PAGER": "cat", "COLUMNS": "200", "LINES": "50"}


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command wrote, and its exit code."""

    command: str
    code: int
    text: str


class Terminal:
    """Commands are given one after the other; variables, aliases and the directory stay, as in one window.

    What comes is read at once, by a thread: whoever writes to a screen that nobody reads stands still.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._screen, theirs = pty.openpty()
        mode = termios.tcgetattr(theirs)
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, mode)
        # Ctrl-C needs a terminal that is the session's own
        self._shell = subprocess.Popen(
            ["setsid", "--ctty", "bash", "--norc", "--noprofile", "--noediting", "-i"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=directory,
            env={**_PLAIN, **environment},
        )
        os.close(theirs)
        self._given, self._text = "", ""
        self._came = threading.Condition()
        self._reading = threading.Thread(target=self._read, name="terminal", daemon=True)
        self._reading.start()
        self.run("set +H; shopt -s expand_aliases")

    def run(self, command: str, seconds: float = 120.0) -> Said:
        """Give a command and answer what it asks, with yes or the number that it names. Raises TimeoutError."""
        self.begin(command)
        return self._ended(seconds)

    def hold(self, command: str, until: str, seconds: float = 120.0) -> Said:
        """Give a command that goes on; once it has said something, end it by Ctrl-C. Raises TimeoutError."""
        self.begin(command)
        self.shows(until, seconds)
        return self.interrupt(seconds)

    def begin(self, command: str) -> None:
        """Give a command that goes on."""
        with self._came:
            self._given, self._text = command, ""
        # on the command's own line: what it reads of the terminal is then an answer, and nothing else
        joint = "" if command.rstrip().endswith("&") else ";"
        self._write(f"{command}{joint} printf '\\n{_MARK} %s\\n' $?\n")

    def shows(self, until: str, seconds: float = 120.0) -> re.Match[str]:
        """Return when the command has said something. Raises TimeoutError."""
        return self._wait(re.compile(until), seconds)

    def interrupt(self, seconds: float = 120.0) -> Said:
        """Ctrl-C, and how the command ended. Raises TimeoutError."""
        self._write("\x03")
        return self._ended(seconds)

    def close(self) -> None:
        """End the shell and whatever it started."""
        for process in psutil.Process(self._shell.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._shell.kill()
        self._shell.wait(10)
        self._reading.join(10)
        os.close(self._screen)

    def _ended(self, seconds: float) -> Said:
        ended = self._wait(_ENDED, seconds)
        return Said(command=self._given, code=int(ended[1]), text=self._text[: ended.start()].strip())

    def _wait(self, until: re.Pattern[str], seconds: float) -> re.Match[str]:
        with self._came:
            # what has ended says nothing more
            self._came.wait_for(lambda: until.search(self._text) or _ENDED.search(self._text), seconds)
            found = until.search(self._text)
            if found is None:
                raise TimeoutError(f"`{self._given}` is not so far after {seconds:g} s:\n{self._text[-_TOLD:]}")
            return found

    def _read(self) -> None:
        """What comes, until the last process that has the terminal is gone."""
        decoder, answered = codecs.getincrementaldecoder("utf-8")("replace"), ""
        with contextlib.suppress(OSError):
            while piece := os.read(self._screen, _PIECE):
                with self._came:
                    self._text += decoder.decode(piece).replace("\r\n", "\n")
                    asked = _ASKED.search(self._text[-_TOLD:])
                    if asked and self._text != answered:
                        answered = self._text
                        self._write(f"{asked[1] or 'y'}\n")
                    self._came.notify_all()

    def _write(self, text: str) -> None:
        os.write(self._screen, text.encode())
