"""Schemas by GUIDs and by Apicurio's own ids, from a server that answers as the registries' documentation says.

It is no registry: no Confluent registry can be had here, and Apicurio's own answers are those of `tests/real`.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from consumer.binding.schemas import Schemas, key_of, value_of
from consumer.core.failure import HeadraceError, Persistent, Transient, failed
from consumer.core.frames import Frames
from consumer.core.kinds import KINDS
from consumer.core.records import Slice
from consumer.core.runs import runs
from consumer.core.schema_ref import SchemaIds, SchemaRef, Space
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.registry import HttpRegistry
from consumer.ports.decoding import Found, Registry
from consumer.ports.refusals import DataFault, TableFault
from tests.unit.known import AT
from tests.unit.test_frames import TOPIC, piece_as, row

SCHEMA = '{"type": "string"}'
FOUND, OTHER, NOWHERE, ODD, PROTOBUF, NAMELESS, LACKING = (UUID(int=number) for number in range(1, 8))
ANSWERS = {
    f"/schemas/guids/{FOUND}": json.dumps({"schema": SCHEMA, "schemaType": "AVRO", "guid": str(FOUND)}),
    f"/schemas/guids/{FOUND}/ids": json.dumps([{"context": ".here", "id": 3}, {"context": ".", "id": 41}]),
    f"/schemas/guids/{OTHER}": json.dumps({"schema": SCHEMA}),
    f"/schemas/guids/{OTHER}/ids": json.dumps([{"context": ".there", "id": 5}, {"context": ".here", "id": 3}]),
    f"/schemas/guids/{ODD}": json.dumps({"schema": SCHEMA}),
    f"/schemas/guids/{ODD}/ids": json.dumps({"context": "."}),
    f"/schemas/guids/{PROTOBUF}": json.dumps({"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"}),
    f"/schemas/guids/{NAMELESS}": json.dumps({"schema": SCHEMA}),
    f"/schemas/guids/{NAMELESS}/ids": "[]",
    "/own/ids/globalIds/7": SCHEMA,
    "/own/ids/contentIds/8": SCHEMA,
}
# what is a 404 without that code: of a registry that has no GUIDs, and of one that is asked at another path
MISSING = {
    f"/schemas/guids/{LACKING}": json.dumps({"error_code": 0, "message": "Could not find resource"}),
    "/own/ids/globalIds/9": json.dumps({"error_code": 404, "name": "NotFoundException"}),
    "/own/ids/contentIds/9": "default backend - 404",
}


class Answers(BaseHTTPRequestHandler):
    """Says what is known, or that it is not."""

    def do_GET(self) -> None:
        """A body or a 404."""
        body = ANSWERS.get(self.path, MISSING.get(self.path, json.dumps({"error_code": 40403}))).encode()
        self.send_response(200 if self.path in ANSWERS else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def registry() -> Iterator[HttpRegistry]:
    """Asked over HTTP."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with closing(HttpRegistry(url, CircuitBreaker("registry"), apicurio_url=f"{url}/own/")) as asked:
            yield asked
        server.shutdown()


@pytest.mark.parametrize(
    ("ref", "number"),
    [
        pytest.param(SchemaRef(Space.GUIDS, FOUND.int), 41, id="by its id in the default context"),
        pytest.param(SchemaRef(Space.GUIDS, OTHER.int), 3, id="which it does not have"),
        pytest.param(SchemaRef(Space.GLOBAL_IDS, 7), 7, id="Apicurio's global id"),
        pytest.param(SchemaRef(Space.CONTENT_IDS, 8), 8, id="Apicurio's content id"),
    ],
)
def test_a_schema_is_found_by_what_its_record_says(registry: HttpRegistry, ref: SchemaRef, number: int) -> None:
    """With the number that newer schemas of its topic have greater ones of."""
    assert registry.find(ref) == Found(number, SCHEMA)


@pytest.mark.provokes("record.schema_unknown", "record.format")
@pytest.mark.parametrize(
    ("ref", "kind", "raised", "said"),
    [
        (SchemaRef(Space.GUIDS, NOWHERE.int), "record.schema_unknown", Persistent, str(NOWHERE)),
        (SchemaRef(Space.GUIDS, LACKING.int), "record.schema_unknown", Persistent, str(LACKING)),
        (SchemaRef(Space.GUIDS, NAMELESS.int), "record.schema_unknown", Persistent, str(NAMELESS)),
        (SchemaRef(Space.GUIDS, PROTOBUF.int), "record.format", Persistent, "PROTOBUF"),
        (SchemaRef(Space.GUIDS, ODD.int), "registry.away", Transient, "has no schema"),
        (SchemaRef(Space.GLOBAL_IDS, 8), "record.schema_unknown", Persistent, "global id 8"),
        (SchemaRef(Space.CONTENT_IDS, 7), "record.schema_unknown", Persistent, "content id 7"),
        (SchemaRef(Space.GLOBAL_IDS, 9), "registry.status", Transient, "404"),
        (SchemaRef(Space.CONTENT_IDS, 9), "registry.status", Transient, "404"),
    ],
)
def test_what_is_not_found_is_of_a_kind(
    registry: HttpRegistry, ref: SchemaRef, kind: str, raised: type[HeadraceError], said: str
) -> None:
    """And says by which id of which kind it was looked for."""
    with pytest.raises(raised) as caught:
        registry.find(ref)
    assert caught.value.failure.kind == kind
    assert said in caught.value.failure.detail


@pytest.mark.provokes("record.framing")
def test_without_apicurio_s_own_api_its_ids_lead_nowhere() -> None:
    """The record waits as a letter until it is said where that is."""
    with closing(HttpRegistry("http://127.0.0.1:1/confluent", CircuitBreaker("registry"))) as asked:
        with pytest.raises(Persistent) as caught:
            asked.find(SchemaRef(Space.GLOBAL_IDS, 7))
        assert caught.value.failure.kind == "record.framing"
        assert "registry.apicurio_url" in caught.value.failure.remedy


def test_numbers_of_different_kinds_are_kept_apart(registry: HttpRegistry) -> None:
    """The same number is another schema in each."""
    refs = [SchemaRef(space, 7) for space in Space]
    assert len({registry.name(ref) for ref in refs}) == len(refs)
    assert registry.name(SchemaRef(Space.GUIDS, 8)) != registry.name(SchemaRef(Space.GUIDS, 7))


@dataclass
class Kept:
    """What the target keeps of schemas."""

    schemas: dict[tuple[str, int], str] = field(default_factory=dict)

    def remember_schemas(self, registry: str, schemas: Mapping[int, str]) -> None:
        """By name and number."""
        self.schemas |= {(registry, number): text for number, text in schemas.items()}

    def recall_schemas(self, registry: str, ids: Sequence[int] | None = None) -> dict[int, str]:
        """Those of a name."""
        return {n: text for (name, n), text in self.schemas.items() if name == registry and (ids is None or n in ids)}


class Refusing(Kept):
    """A target that can't keep a schema: its encoding has no such letter, or a privilege is missing."""

    def __init__(self, why: HeadraceError) -> None:
        super().__init__()
        self.why = why

    def remember_schemas(self, registry: str, schemas: Mapping[int, str]) -> None:
        """Nothing."""
        raise self.why


@dataclass
class Some:
    """A registry that may be away."""

    found: Mapping[SchemaRef, Found]
    away: bool = False

    def name(self, ref: SchemaRef) -> str:
        """Of a GUID the GUID too."""
        return f"{ref.space} {ref.number if ref.space is Space.GUIDS else ''}"

    def find(self, ref: SchemaRef) -> Found:
        """Unless it is away."""
        if self.away:
            raise Transient(failed(KINDS["registry.away"], "registry", "get schema", "no answer"))
        return self.found[ref]


def by_guid() -> Slice:
    """A record whose key and value have GUIDs in headers."""
    piece = piece_as(SchemaIds.HEADERS, [TOPIC.record("c", row(1))])
    headers = (("__key_schema_id", b"\1" + FOUND.bytes), ("__value_schema_id", b"\1" + OTHER.bytes))
    return Frames(SchemaIds.HEADERS).piece(replace(piece, headers=lambda offset: headers))


@pytest.mark.parametrize(
    ("piece", "refs"),
    [
        (by_guid(), {SchemaRef(Space.GUIDS, FOUND.int): 41, SchemaRef(Space.GUIDS, OTHER.int): 42}),
        (
            Frames(by_topic={AT.topic: SchemaIds.HEADERS}).piece(
                piece_as(SchemaIds.HEADERS, [TOPIC.record("c", row(1))])
            ),
            {SchemaRef(Space.GLOBAL_IDS, 1): 1, SchemaRef(Space.GLOBAL_IDS, 2): 2},
        ),
    ],
    ids=["GUIDs", "global ids"],
)
def test_schemas_that_were_found_once_are_there_while_the_registry_is_away(
    piece: Slice, refs: Mapping[SchemaRef, int]
) -> None:
    """With their numbers, for a worker that has just started."""
    kept = Kept()
    (run,) = runs(piece)
    found = {ref: Found(number, f"schema {number}") for ref, number in refs.items()}
    first: Registry = Some(found)
    Schemas(first, kept, 0.0).learn([run])

    second = Schemas(Some({}, away=True), kept, 0.0)
    assert second.lacks([run])
    second.learn([run])
    assert not second.lacks([run])
    numbers = list(refs.values())
    assert [second.number(datum) for datum in (key_of(run), value_of(run))] == numbers
    assert second.text(value_of(run)) == f"schema {numbers[1]}"


@pytest.mark.parametrize(
    "why",
    [
        DataFault(failed(KINDS["record.value"], "postgres", "keep schemas", "no such letter in its encoding"), None),
        TableFault(failed(KINDS["table.privilege"], "postgres", "keep schemas", "no INSERT"), None),
    ],
    ids=["a letter", "a privilege"],
)
def test_a_schema_that_can_not_be_kept_is_known_all_the_same(why: HeadraceError) -> None:
    """To this process. That it is not kept is said."""
    (run,) = runs(by_guid())
    found = {SchemaRef(Space.GUIDS, guid.int): Found(1, "a schema") for guid in (FOUND, OTHER)}
    schemas = Schemas(Some(found), Refusing(why), 0.0)
    with capture_logs() as said:
        schemas.learn([run])
    assert not schemas.lacks([run])
    assert schemas.text(value_of(run)) == "a schema"
    assert {line["kind"] for line in said} == {why.failure.kind}
