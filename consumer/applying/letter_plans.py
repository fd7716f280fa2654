"""What letters would change: their records, read where they are and believed, as one plan."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from consumer.applying.apart import Apart, NotPlanned
from consumer.applying.rereading import Rereading
from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import BEHIND, Record, Standing
from consumer.core.moves import BARE, NEW_KEY
from consumer.core.plan import Plan
from consumer.core.writes import Action
from consumer.ports.refusals import DataFault, Reconsider, TableFault
from consumer.ports.target import Sink


class LetterPlans:
    """Plans letters that came back. Belongs to the apply thread, whose session it uses."""

    def __init__(self, sink: Sink, apart: Apart, origins: Rereading) -> None:
        self._sink = sink
        self._apart = apart
        self._origins = origins

    def plan(
        self, letters: Sequence[Standing], bare: Collection[int] = (), goes_on: Callable[[], bool] = lambda: True
    ) -> Plan:
        """The plan of letters whose turn it is; `bare`: those, by id, that keep nothing for their rows' next keys.

        `goes_on`: whether there is time for another letter whose row has become known, each of which is a transaction.

        Raises Reconsider when a row has become known only now, NotPlanned, DataFault, TableFault, Transient.
        """
        if not letters:
            return Plan(slices=(), stages=())
        plan = self._planned(letters, bare)
        for letter in letters:
            why = self._disbelieved(letter, plan) if letter.imported and letter.row is None else None
            if why is not None:
                raise NotPlanned({letter.ref: why})
        if truncates := {ref for truncate in plan.truncates for ref in truncate.refs}:
            raise NotPlanned(dict.fromkeys(truncates, _TRUNCATE))
        strangers = _rows_known_now(letters, plan)
        if strangers and self._placed(strangers, goes_on):
            # newer changes of their rows may have been applied since
            raise Reconsider({})
        for letter in letters:
            if letter.pointer and letter.row and not self._is_of(letter, plan):
                raise NotPlanned({letter.ref: _ANOTHER})
        return plan

    def is_whole(self, letter: Standing) -> bool:
        """Whether a letter leaves nothing of what its row was before: a full image, or a delete.

        Not one of a table whose rows wait for whatever is in front of them, or whose record has to be read again.
        Raises Reconsider, NotPlanned, DataFault, TableFault, Transient.
        """
        if not letter.row or letter.is_reread:
            return False
        # behind dead letters a delete keeps nothing, and elsewhere one that would passes nothing
        writes = self._planned([letter], {letter.id}).writes
        return bool(writes) and all(one.action in _SUPERSEDING and not (one.strict or one.partial) for one in writes)

    def _planned(self, letters: Sequence[Standing], bare: Collection[int]) -> Plan:
        plain = {letter.ref for letter in letters if letter.id in bare and letter.keeps}
        records = self._records(letters)
        plan = self._apart.plan([_plain(one) if one.ref in plain else one for one in records])
        if plan.letters:
            # those that are behind others have done nothing
            bad = [letter for letter in plan.letters if letter.failure.kind != BEHIND]
            raise NotPlanned({letter.record.ref: letter.failure for letter in bad or plan.letters})
        return plan

    def _records(self, letters: Sequence[Standing]) -> Sequence[Record]:
        """Their records. Raises Reconsider when one has lost its bytes meanwhile, NotPlanned when it is gone."""
        records = self._sink.records([letter for letter in letters if not letter.pointer])
        for letter in letters:
            if letter.pointer:
                record = self._origins.fetch(letter.ref, letter.topic_id)
                if record is None:
                    raise NotPlanned({letter.ref: _GONE})
                records = [*records, record]
        if len(records) < len(letters):
            raise Reconsider({})
        return records

    def _placed(self, letters: Sequence[Standing], goes_on: Callable[[], bool]) -> bool:
        """Write down which rows letters are of, of at least one; whether any is of one."""
        placed = False
        for letter in letters:
            if placed and not goes_on():
                break
            writes = self._apart.plan(self._records([letter])).writes
            if writes and writes[0].identity:
                placed = True
                try:
                    self._sink.place(letter, writes[0])
                except (DataFault, TableFault) as fault:
                    raise NotPlanned({letter.ref: fault.failure}) from fault
        return placed

    def _disbelieved(self, letter: Standing, plan: Plan) -> Failure | None:
        """Why a letter of another consumer is not applied, whose headers alone say which record it is.

        `plan`: what it alone would change. Raises Reconsider when it has lost its bytes meanwhile, Transient.
        """
        if plan.stages and not (plan.writes and plan.writes[0].identity):
            return _NO_ROW
        if letter.pointer:
            # read at its origin just now
            return None
        origin = self._origins.fetch(letter.ref, letter.topic_id)
        if origin is None:
            return _UNSEEN
        found = self._sink.records([letter], original=True)
        if not found:
            raise Reconsider({})
        return None if (origin.key, origin.value) == (found[0].key, found[0].value) else _OTHER

    def _is_of(self, letter: Standing, plan: Plan) -> bool:
        """Whether what was read at a letter's origin changes the letter's row: a log that was cut has other records."""
        return bool(plan.writes) and self._sink.is_of(letter, plan.writes[0])


def _plain(record: Record) -> Record:
    """A delete that keeps nothing for its row's next key."""
    return replace(record, headers=tuple((BARE if name == NEW_KEY else name, value) for name, value in record.headers))


def _rows_known_now(letters: Sequence[Standing], plan: Plan) -> list[Standing]:
    """Letters of no known row that the plan knows a row of."""
    if all(letter.row for letter in letters):
        return []
    refs = {ref for write in plan.writes if write.identity for ref in write.origins.every()}
    return [letter for letter in letters if letter.row is None and letter.ref in refs]


_SUPERSEDING = frozenset({Action.UPSERT, Action.REPLACE, Action.DELETE})
_NO_ROW = failed(
    KINDS["record.imported"],
    "returns",
    "apply letter",
    "it is of no single row (a table of events, a truncate), and whether this group has applied it can't be known",
    remedy="Discard the letter; if its event is missing in the table, have the source send it again.",
)
_TRUNCATE = failed(
    KINDS["record.unplaced"],
    "returns",
    "apply letter",
    "it is a truncate, and what was applied behind it would go with what was in front",
    remedy="Compare the table with its source (headrace reconcile), put right what differs, then discard the letter.",
)
_UNSEEN = failed(
    KINDS["record.unplaced"],
    "returns",
    "apply letter",
    "its record is not in its topic any more, nor what stands behind it",
)
_OTHER = failed(
    KINDS["record.unplaced"], "returns", "apply letter", "where its headers say that it was, another record lies"
)
_GONE = failed(KINDS["record.gone"], "returns", "apply letter", KINDS["record.gone"].sign)
_ANOTHER = failed(KINDS["record.gone"], "returns", "apply letter", "at its offset is a record of another row by now")
