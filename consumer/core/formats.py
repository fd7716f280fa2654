"""Texts of common formats, as regular expressions: how they look, not whether what they name is there.

The engine that reads them does not backtrack, so no value makes them slow.
"""

from typing import Literal

Format = Literal["email", "uuid", "url", "ipv4", "ipv6", "ip", "country", "currency", "e164"]

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_GROUP = r"[0-9A-Fa-f]{1,4}"
# the last two groups may be written as an address of IPv4
_LAST = rf"(?:{_GROUP}:{_GROUP}|{_IPV4})"


def _shortened(front: int) -> str:
    """An address of IPv6 with at most so many groups in front of its double colon, and as many behind as may be."""
    groups = rf"(?:(?:{_GROUP}:){{0,{front - 1}}}{_GROUP})?" if front else ""
    # eight groups in all, of which the colons stand for one at least
    behind = 7 - front
    if behind >= 2:
        return rf"{groups}::(?:{_GROUP}:){{{behind - 2}}}{_LAST}"
    return rf"{groups}::{_GROUP if behind else ''}"


_IPV6 = "|".join([rf"(?:{_GROUP}:){{6}}{_LAST}", *(_shortened(front) for front in range(8))])
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

PATTERNS: dict[Format, str] = {
    "email": rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})+$",
    "uuid": r"^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
    "url": r"^(?i:https?)://(?:[^\s/?#@]*@)?(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#:@\[\]]+)(?::[0-9]{1,5})?(?:[/?#]\S*)?$",
    "ipv4": rf"^{_IPV4}$",
    "ipv6": rf"^(?:{_IPV6})$",
    "ip": rf"^(?:{_IPV4}|{_IPV6})$",
    "country": r"^[A-Z]{2}$",
    "currency": r"^[A-Z]{3}$",
    "e164": r"^\+[1-9][0-9]{1,14}$",
}
