"""What can be switched off while it runs."""

from pydantic import BaseModel

from consumer.admin.api.answers import Listed
from consumer.admin.asking import Doored, Locking
from consumer.admin.inputs import Reasoned, Word
from consumer.admin.locking import asks_itself
from consumer.admin.roles import Asker, needs, router
from consumer.admin.switching import Switching, all_flags, switched
from consumer.core.flags import FlagSet
from consumer.core.pausing import Paused
from consumer.core.roles import Role
from consumer.inspection.flagging import FlagState

routes = router(tags=["flags"])


class FlagShown(BaseModel):
    """A flag. `set`: by whom, none while it has its default. `tables`: those that are off, of one by table.

    `workers`: how many live workers heed it, `heard`: how many of them have heard how it is.
    """

    flag: str
    on: bool
    default: bool
    set: FlagSet | None
    tables: list[Paused]
    workers: int
    heard: int
    what: str
    off: str
    risk: str
    owner: str
    heeder: str
    by_table: bool

    @staticmethod
    def of(state: FlagState) -> "FlagShown":
        """From the program's own."""
        kind = state.kind
        return FlagShown(
            flag=kind.flag.value,
            on=state.on,
            default=kind.default,
            set=state.set,
            tables=list(state.tables),
            workers=state.workers,
            heard=state.heard,
            what=kind.what,
            off=kind.off,
            risk=kind.risk,
            owner=kind.owner,
            heeder=kind.heeder.value,
            by_table=kind.by_table,
        )


class Setting(Reasoned):
    """A flag, and how it is to be. `table`: of a flag that is by table."""

    flag: Word
    on: bool
    table: Word | None = None


class Resetting(Reasoned):
    """A flag that is to be as it is by default."""

    flag: Word
    table: Word | None = None


class FlagSwitched(BaseModel):
    """What came of it. `changed`: it is another way than before."""

    flag: str
    changed: bool


@routes.get("/flags")
@needs(Role.VIEWER)
def flags(doors: Doored) -> Listed[FlagShown]:
    """All flags, with what each does when it is off, and what that costs."""
    return Listed(items=[FlagShown.of(state) for state in all_flags(doors)])


@routes.post("/flags")
@needs(Role.OPERATOR)
@asks_itself
def put(doors: Doored, lock: Locking, asker: Asker, wanted: Setting) -> FlagSwitched:
    """Switch a flag. Workers hear of it at once; that of console-writes is for admins."""
    order = Switching(name=wanted.flag, on=wanted.on, table=wanted.table, note=wanted.note(asker.name))
    return FlagSwitched(flag=wanted.flag, changed=switched(doors, lock, order, asker))


@routes.post("/flags/reset")
@needs(Role.OPERATOR)
@asks_itself
def reset(doors: Doored, lock: Locking, asker: Asker, wanted: Resetting) -> FlagSwitched:
    """Have a flag be as it is by default."""
    order = Switching(name=wanted.flag, on=None, table=wanted.table, note=wanted.note(asker.name))
    return FlagSwitched(flag=wanted.flag, changed=switched(doors, lock, order, asker))
