"""Regular expressions of topics: the part of the language that all engines read alike that look at them.

They are Python's here, the C library's in the group member, and RE2 at brokers that lead the group (KIP-848).
"""

import re

_MOST_TIMES = 255
_RANGE = "[A-Z]-[A-Z]|[a-z]-[a-z]|[0-9]-[0-9]"
_CLASS = rf"\[\^?(?:-|{_RANGE}|[A-Za-z0-9_.])(?:{_RANGE}|[A-Za-z0-9_.])*-?\]"
_TOKEN = re.compile(
    rf"(?P<atom>[A-Za-z0-9_.-]|\\[.-]|{_CLASS})|(?P<open>\((?!\?))|(?P<close>\))|(?P<or>\|)|(?P<begin>\^)|(?P<end>\$)"
    r"|(?P<times>[*+?]|\{(?:[0-9]+)(?:,[0-9]*)?\})"
)
# what an alternative begins behind, and what may stand in front of a repetition
_BEFORE, _REPEATABLE = ("", "open", "or"), ("atom", "close")
_ESCAPES = {r"\d": "[0-9]", r"\D": "[^0-9]", r"\w": "[A-Za-z0-9_]", r"\W": "[^A-Za-z0-9_]"}


class BadExpression(ValueError):
    """It is not one that all engines read alike; the message says what to write instead."""


def check(expression: str) -> None:
    """Raises BadExpression for one that does not begin with ^, that is none, or that has more than engines share."""
    read, at = _Read(), 1
    while at < len(expression):
        found = _TOKEN.match(expression, at)
        if found is None:
            raise BadExpression(_unread(expression[at:]))
        read.take(str(found.lastgroup), found[0])
        at = found.end()
    read.end()
    try:
        re.compile(expression)
    except re.error as error:
        raise BadExpression(str(error)) from error


def shared(expression: str) -> str:
    """A form that means to any of them what the expression means to `re.match`: the beginning of the name.

    Some look for it anywhere in a name, which holds only the first alternative at the beginning, others ask whether
    it is the whole of one.
    """
    return f"^({expression[1:]}).*$"


class _Read:
    """What was read so far. Its methods raise BadExpression."""

    def __init__(self) -> None:
        self._before = ""
        # whether anchors are in the groups that are open, and in the one that was closed last
        self._anchors = [False]
        self._closed = False

    def take(self, kind: str, text: str) -> None:
        """Read on."""
        match kind:
            case "or" | "close":
                self._check_alternative()
            case _ if self._before == "end":
                raise BadExpression("$ stands at the end of an alternative only")
            case "begin" if self._before not in _BEFORE:
                raise BadExpression("^ stands at the beginning of an alternative only")
            case "times":
                self._check_times(text)
        self._nest(kind)
        self._before = kind

    def end(self) -> None:
        """Nothing follows."""
        self._check_alternative()

    def _nest(self, kind: str) -> None:
        if kind == "open":
            self._anchors.append(False)
        elif kind == "close" and len(self._anchors) > 1:
            self._closed = self._anchors.pop()
            self._anchors[-1] |= self._closed
        elif kind in ("begin", "end"):
            self._anchors[-1] = True

    def _check_alternative(self) -> None:
        if self._before in (*_BEFORE, "begin"):
            raise BadExpression("an alternative is empty; write (…)? for what may be left out")

    def _check_times(self, text: str) -> None:
        if self._before == "times":
            raise BadExpression(f"{text} behind another repetition has several meanings; leave the second out")
        if self._before not in _REPEATABLE:
            raise BadExpression(f"there is nothing to repeat before {text}")
        if self._before == "close" and self._closed:
            # tried: the C library finds a second beginning for (^.){2}
            raise BadExpression("a group with ^ or $ in it is not repeated")
        if any(int(number) > _MOST_TIMES for number in re.findall("[0-9]+", text)):
            raise BadExpression(f"nothing is repeated more than {_MOST_TIMES} times")


def _unread(rest: str) -> str:
    """What begins with something that they do not share."""
    match rest[0]:
        case "\\" if (plain := _ESCAPES.get(rest[:2])) is not None:
            return f"{rest[:2]} has another meaning to Kafka's client; write {plain}"
        case "\\":
            return f"{rest[:2]} has another meaning to Kafka's client, or none; only \\. and \\- are escaped"
        case "(":
            return "Kafka's client knows no (?; groups stand between ( and )"
        case "[" | "]":
            return "between [ and ] stand letters, digits, . and _, ranges as a-z, A-Z and 0-9, - first or last"
        case "{" | "}":
            return "braces are for repetitions, as {n}, {n,} and {n,m}"
        case _:
            return f"{rest[0]!r} is in no topic's name, which has letters, digits, dots, dashes and underscores"
