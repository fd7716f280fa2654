"""What people may do: each role may all that the ones below it may."""

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """Rising. Content is what records hold."""

    VIEWER = 1
    CONTENT = 2
    OPERATOR = 3
    ADMIN = 4

    @property
    def words(self) -> str:
        """As settings and messages name it."""
        return _WORDS[self]


_WORDS = {Role.VIEWER: "viewer", Role.CONTENT: "content-viewer", Role.OPERATOR: "operator", Role.ADMIN: "admin"}
ROLES = {words: role for role, words in _WORDS.items()}
"""By the name of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who asks. `name` stands in the audit."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether what needs this role is for them."""
        return self.role >= role
