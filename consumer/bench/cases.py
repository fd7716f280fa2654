"""What bad records cost: the runs that are compared, each of Headrace alone on a copy of one topic."""

from dataclasses import dataclass

NAME = "letters"
FLOOD = "HEADRACE_LETTERS__FLOOD_PERCENT"
# the divisor of the constraint that no row violates
_ANY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of run. `every`: among so many rows one does not decode and one is refused; 0 where all are sound.

    `open_letters`: of other rows of the same table, there before the run. `most`: what it may cost, in percent of the
    clean rate; None for the clean run itself. `flood_percent`: the flood guard's limit, when it is not the default.
    Rows are told by their ids, so that topic and target agree on which ones are bad.
    """

    name: str
    every: int = 0
    open_letters: int = 0
    most: float | None = None
    flood_percent: int | None = None

    @property
    def variables(self) -> dict[str, str]:
        """What Headrace is started with beside its defaults."""
        return {} if self.flood_percent is None else {FLOOD: str(self.flood_percent)}

    @property
    def check(self) -> str:
        """The target's constraint, in SQL. It costs the same in every case."""
        return f"id % {self.every} <> {self.every - 1}" if self.every else f"id % {_ANY} <> {_ANY}"

    @property
    def sound(self) -> str:
        """In SQL, the rows that are there in the end."""
        return f"id % {self.every} NOT IN ({self.every // 2}, {self.every - 1})" if self.every else "true"

    def is_cut(self, row: int) -> bool:
        """Whether the record of the row with this id does not decode."""
        return bool(self.every) and row % self.every == self.every // 2

    def is_refused(self, row: int) -> bool:
        """Whether the target refuses the row with this id."""
        return bool(self.every) and row % self.every == self.every - 1


CASES = (
    Case(name="clean"),
    Case(name="0.1% bad", every=2_000, most=40.0),
    Case(name="1% bad", every=200, most=66.67, flood_percent=50),
    Case(name="10000 open letters", open_letters=10_000, most=5.0),
)
