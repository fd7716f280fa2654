"""The flags page, from `consumer.core.flags`."""

from consumer.core.flags import FLAGS, FlagKind
from tools.pages.markdown import code, page, table

_INTRO = """\
What can be switched off while it runs ([how to](../how-to/switch-something-off.md)): for a whole group, with a reason,
without a restart and without a rebalance. A flag that is not here is refused. Every change stands in the audit. Workers
hear of one at once by `NOTIFY`, and see it with their next report (`control.report_every`) where that was lost."""


def flags_page() -> str:
    """The page."""
    overview = table(
        ("flag", "default", "heeded by", "part that owns it", "switched over the API by"),
        [
            (
                code(kind.flag),
                "on" if kind.default else "off",
                kind.heeder.value,
                kind.owner,
                f"{kind.role.words} and up",
            )
            for kind in FLAGS.values()
        ],
    )
    return page("Flags", _INTRO, overview, *(_section(kind) for kind in FLAGS.values()))


def _section(kind: FlagKind) -> str:
    return f"## {kind.flag}\n\n{kind.what}\n\n**Off:** {kind.off}\n\n**Risk:** {kind.risk}"
