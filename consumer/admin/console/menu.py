"""The console's pages by name, and what is said after something was done."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A page of the menu. `key`: what is pressed behind `g`."""

    title: str
    path: str
    key: str
    icon: str


MENU = (
    Entry("Overview", "/", "o", "home"),
    Entry("Pipeline", "/pipeline", "p", "flow"),
    Entry("Batches", "/batches", "b", "stack"),
    Entry("Dead letters", "/letters", "d", "letter"),
    Entry("Replays", "/replays", "r", "again"),
    Entry("Tables", "/tables", "t", "table"),
    Entry("Recovery", "/recovery", "c", "compare"),
    Entry("Flags", "/flags", "f", "switch"),
    Entry("Doctor", "/doctor", "h", "pulse"),
    Entry("Audit", "/audit", "a", "book"),
)

SAID = {
    "replayed": "Sent again. It is judged by its row, and the transaction that applies it writes its outcome here.",
    "discarded": "Given up. The row differs from the source until it changes again.",
    "edited": "Changed. The record as it was is kept; send the letter again to have the change applied.",
    "paused": "Paused. No batch of it is committed any more until it is resumed.",
    "resumed": "Resumed. Workers go on within a second or two.",
    "retried": "Asked for. A worker tries again within two seconds.",
    "approved": "Agreed to. It is made with the first rows that need it.",
    "started": "The job is there. Workers take its letters, the first ones as a canary.",
    "searching": "The search is there. Workers read the letters; what they find stays with it.",
    "decided": "Done.",
    "reset": "Workers have been told, and ask with their next question.",
    "drained": "Told. It leaves after the batch in hand, and others take its partitions.",
    "moved": "Set. Its owner takes the partition anew within two seconds.",
    "asked": "The source was asked. What arrives from it closes the letters of these rows.",
    "switched": "Switched. Workers hear of it at once; below is how many have.",
    "compared": "The comparison is there. Workers whose settings have source.dsn take it on.",
    "begun": "It is there, step by step. Workers take it on; the source is read by those that have source.dsn.",
    "repaired": "The source was asked. Compare again when what it sends has arrived.",
    "restarted": "Kafka Connect was asked to start it again.",
}
"""By the word that stands in the address."""
