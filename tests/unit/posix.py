"""Extended regular expressions of POSIX, by the C library of this process, as librdkafka has them."""

import ctypes

_LIBRARY = ctypes.CDLL(None)
_EXTENDED, _NO_PLACES = 1, 8
# more than any C library's `regex_t` takes
_ROOM = 1024


def finds(expression: str, text: str) -> bool:
    """Whether the expression is found anywhere in the text. Raises ValueError for one that is none."""
    compiled = ctypes.create_string_buffer(_ROOM)
    if _LIBRARY.regcomp(compiled, expression.encode(), _EXTENDED | _NO_PLACES):
        raise ValueError(f"{expression!r} is no extended regular expression")
    try:
        return _LIBRARY.regexec(compiled, text.encode(), ctypes.c_size_t(0), None, 0) == 0
    finally:
        _LIBRARY.regfree(compiled)
