"""The API: what it answers, what it changes, and that every change says who and why."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from consumer.admin.costs import ExportLimits
from consumer.admin.exporting import written
from consumer.core.roles import Role
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note
from dlq.desk import LetterDesk
from dlq.selection import Selection
from tests.admin.conftest import Clients
from tests.admin.scene import CANARY, Shop

API = "/api/v1"
WHY = {"reason": "ticket 1"}
OPERATOR = "the operator"


@pytest.fixture
def operator(clients: Clients) -> httpx.Client:
    """Whoever may change something."""
    return clients(Role.OPERATOR)


def told(answer: httpx.Response, status: int = 200) -> Any:
    """What was answered, as JSON."""
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_letter_is_found_understood_edited_and_sent_again(shop: Shop, operator: httpx.Client) -> None:
    """By its group, with its row and what it would do; the audit names who the token is of."""
    letter = shop.bad(2, note=CANARY)
    (group,) = told(operator.get(f"{API}/letter-groups"))["items"]
    assert (group["kind"], group["field"], group["states"]) == ("record.checks", "after.status", {"dead": 1})
    (listed,) = told(operator.get(f"{API}/letters", params={"group": group["fingerprint"], "state": "dead"}))["items"]
    assert listed["id"] == letter
    whole = operator.get(f"{API}/letters/{letter}")
    assert (told(whole)["letter"]["letter"]["remedy"] != "", CANARY in whole.text) == (True, False)
    payload = told(operator.get(f"{API}/letters/{letter}/payload"))
    assert payload["value"]["values"]["after"]["note"] == CANARY
    assert told(operator.get(f"{API}/letters/{letter}/difference"))["refused"]["field"] == "after.status"
    assert told(operator.get(f"{API}/letters/{letter}/row"))["after"]["id"] == 2

    patch = [{"op": "replace", "path": "/after/status", "value": "paid"}]
    edit = f"{API}/letters/{letter}/edit"
    assert told(operator.post(edit, json={"patch": patch, "dry_run": True, **WHY})) == {
        "changed": ["status"],
        "dry_run": True,
    }
    told(operator.post(edit, json={"patch": patch, **WHY}))
    assert told(operator.get(f"{API}/letters/{letter}/difference"))["effect"] == "insert"
    sent = told(operator.post(f"{API}/letters/replay", json={"letters": [letter], **WHY}))
    assert (sent["changed"], shop.state(letter)) == ([letter], "replaying")
    looked = [(OPERATOR, "view payload", "")] * 3
    assert shop.audit() == [
        *looked,
        (OPERATOR, "try edit", "ticket 1"),
        (OPERATOR, "edit letter", "ticket 1"),
        looked[0],
        (OPERATOR, "replay letters", "ticket 1"),
    ]
    (deed, *_) = told(operator.get(f"{API}/audit", params={"actor": OPERATOR, "limit": 1}))["items"]
    assert (deed["action"], deed["letters"]) == ("replay letters", [letter])


def test_pages_follow_one_another_without_gap_or_repetition(shop: Shop, operator: httpx.Client) -> None:
    """Each names the next; the last names none."""
    letters = [shop.bad(number) for number in range(2, 7)]
    found, after = [], None
    for _ in range(3):
        page = told(operator.get(f"{API}/letters", params={"limit": 2, **({"after": after} if after else {})}))
        found += [letter["id"] for letter in page["items"]]
        after = page["next"]
    assert (found, after) == (letters[::-1], None)
    assert told(operator.get(f"{API}/letter-facets"))["facets"]["state"] == {"dead": 5}


def test_a_job_is_looked_at_agreed_to_by_number_and_cancelled(shop: Shop, operator: httpx.Client) -> None:
    """Refused when others go than were looked at."""
    letters = [shop.bad(number) for number in range(2, 5)]
    wanted = {"letters": {"id": letters}}
    assert told(operator.post(f"{API}/jobs/preview", json=wanted))["goes"] == 3
    given_up = told(operator.post(f"{API}/jobs/preview", json={**wanted, "kind": "discard"}))
    assert (given_up["goes"], given_up["along"]) == (3, 0)
    refused = told(operator.post(f"{API}/jobs", json={**wanted, "expect": 2, **WHY}), 409)
    assert "it would be 3 letters now, not 2" in refused["detail"]
    job = told(operator.post(f"{API}/jobs", json={**wanted, "expect": 3, **WHY}), 201)
    assert (job["created_by"], job["counts"]) == (OPERATOR, {"waiting": 3})
    told(operator.post(f"{API}/jobs/{job['id']}/pause", json=WHY))
    told(operator.post(f"{API}/jobs/{job['id']}/pause", json=WHY), 409)
    assert told(operator.post(f"{API}/jobs/{job['id']}/cancel", json=WHY))["state"] == "cancelled"
    items = told(operator.get(f"{API}/jobs/{job['id']}/items", params={"state": "cancelled"}))["items"]
    assert [item["letter"] for item in items] == letters


def test_a_table_is_paused_and_resumed(shop: Shop, operator: httpx.Client) -> None:
    """Lag says so, and why."""
    subject = {"table": f"{shop.schema}.orders", **WHY}
    told(operator.post(f"{API}/pauses", json={"table": "no.such", **WHY}), 404)
    held = told(operator.post(f"{API}/pauses", json=subject))["partitions"]
    assert held == [{"topic": shop.line.at.topic, "partition": shop.line.at.partition}]
    (pause,) = told(operator.get(f"{API}/pauses"))["items"]
    assert (pause["actor"], pause["reason"]) == (OPERATOR, "ticket 1")
    assert told(operator.post(f"{API}/pauses/end", json=subject))["partitions"] == held
    told(operator.post(f"{API}/pauses/end", json=subject), 404)


def test_lag_is_told_as_it_was_seen_last(shop: Shop, operator: httpx.Client) -> None:
    """In records and seconds; the watch looks by itself."""
    shop.logs.reach[shop.line.at] = shop.line.next_offset + 7
    found = told(operator.get(f"{API}/lag", params={"topic": shop.line.at.topic}))
    assert (set(found), found["logs"]) == ({"at", "items", "logs", "connect", "missed"}, None)


def test_a_batch_is_tried_again_and_a_plan_is_agreed_to(shop: Shop, operator: httpx.Client) -> None:
    """Each once."""
    batch, change = shop.failed_batch(), shop.plan()
    shop.stop()
    assert told(operator.get(f"{API}/batches/{batch}"))["batch"]["error"]["code"] == "42703"
    done = told(operator.post(f"{API}/schema-changes/approve", json={"changes": [change], **WHY}))
    assert (done["changes"], len(done["partitions"])) == ([change], 1)
    told(operator.post(f"{API}/schema-changes/approve", json={"changes": [change], **WHY}), 409)
    assert len(told(operator.post(f"{API}/batches/{batch}/retry", json=WHY))["partitions"]) == 1


def test_a_position_is_looked_at_and_set_by_what_was_shown(shop: Shop, operator: httpx.Client) -> None:
    """Refused when something else would be done by now; the audit has who, why, and from where to where."""
    at, end = shop.line.at, shop.line.next_offset
    shop.logs.reach[at] = end + 5
    wish = {"topic": at.topic, "partition": at.partition, "to": "latest"}
    outlook = told(operator.get(f"{API}/positions/outlook", params=wish))
    assert (outlook["decision"]["next_offset"], outlook["held"]["next_offset"]) == (end + 5, end)
    assert outlook["words"] == f"pass offsets {end} to {end + 4} of {at} without applying them"
    told(operator.post(f"{API}/positions/set", json={**wish, "expect": end + 4, **WHY}), 409)
    assert shop.audit() == []
    moved = told(operator.post(f"{API}/positions/set", json={**wish, "expect": end + 5, **WHY}))
    assert (moved["before"]["next_offset"], moved["after"]["next_offset"]) == (end, end + 5)
    assert shop.audit() == [(OPERATOR, "set position", "ticket 1")]
    told(operator.get(f"{API}/positions/outlook", params={**wish, "partition": at.partition + 1}), 404)
    told(operator.get(f"{API}/positions/outlook", params={**wish, "to": "skip"}), 409)
    told(operator.get(f"{API}/positions/outlook", params={**wish, "to": "-1"}), 422)


def test_partitions_are_tried_again_by_name(shop: Shop, operator: httpx.Client) -> None:
    """Those that have a position."""
    at = shop.line.at
    named = [{"topic": at.topic, "partition": at.partition}, {"topic": "none", "partition": 0}]
    done = told(operator.post(f"{API}/positions/retry", json={"partitions": named, **WHY}))
    assert done["partitions"] == named[:1]
    told(operator.post(f"{API}/positions/retry", json={"partitions": named[1:], **WHY}), 404)


def test_letters_are_exported_as_they_are_read(shop: Shop, operator: httpx.Client, clients: Clients) -> None:
    """A line for each; with what they hold only to whoever may see that, for a reason, and but for masked columns."""
    letters = [shop.bad(number, note=CANARY) for number in (2, 3)]
    lines = operator.get(f"{API}/letter-export", params={"state": "dead"})
    assert [json.loads(line)["id"] for line in lines.text.splitlines()] == letters
    assert CANARY not in lines.text
    assert lines.headers["content-disposition"].endswith('.ndjson"')
    rows = list(csv.DictReader(io.StringIO(operator.get(f"{API}/letter-export", params={"output": "csv"}).text)))
    assert [int(row["id"]) for row in rows] == letters
    assert shop.audit() == []

    wanted = {"letters": {"id": letters[:1]}}
    told(operator.post(f"{API}/letter-export", json=wanted), 422)
    assert clients(Role.VIEWER).post(f"{API}/letter-export", json={**wanted, **WHY}).status_code == 403
    held = json.loads(operator.post(f"{API}/letter-export", json={**wanted, **WHY}).text)
    assert held["payload"]["value"]["values"]["after"]["note"] == CANARY
    assert shop.audit() == [(OPERATOR, "export payloads", "ticket 1")]
    shop.masks = (f"{shop.schema}.orders.note",)
    assert CANARY not in operator.post(f"{API}/letter-export", json={**wanted, **WHY}).text


def test_who_hangs_up_keeps_no_export_open(shop: Shop, guarded: FastAPI, operator: httpx.Client) -> None:
    """Its session and its place are free again; so many at a time, and no more."""
    shop.bad(2)
    doors = guarded.state.doors
    for _ in range(5):
        # it may take the server a moment to see that nobody listens any more
        assert doors.exporting.acquire(timeout=10)
        doors.exporting.release()
        with operator.stream("GET", f"{API}/letter-export") as answer:
            assert answer.status_code == 200
    assert doors.exporting.acquire(timeout=10)
    assert doors.exporting.acquire(timeout=10)
    assert told(operator.get(f"{API}/letter-export"), 503)["kind"] == "request.busy"
    doors.exporting.release(2)
    assert operator.get(f"{API}/letter-export").status_code == 200


def test_an_export_of_too_many_letters_is_refused_and_one_that_takes_too_long_breaks_off(
    shop: Shop, guarded: FastAPI, operator: httpx.Client
) -> None:
    """Nobody takes for all what was sent of the second; both give their places back."""
    for number in (2, 3):
        shop.bad(number)
    doors = guarded.state.doors
    guarded.state.doors = replace(doors, exports=ExportLimits(letters=1))
    assert told(operator.get(f"{API}/letter-export"), 422)["kind"] == "request.costly"
    guarded.state.doors = replace(doors, exports=ExportLimits(seconds=-1.0))
    with pytest.raises(httpx.RemoteProtocolError):
        operator.get(f"{API}/letter-export")
    guarded.state.doors = doors
    assert doors.exporting.acquire(timeout=10)
    assert doors.exporting.acquire(timeout=10)
    doors.exporting.release(2)


def test_an_export_ends_though_its_reader_takes_no_more(shop: Shop, guarded: FastAPI) -> None:
    """As one in front of a pager: its session and its place are free again."""
    shop.bad(2)
    doors = replace(guarded.state.doors, exports=ExportLimits(seconds=0.2))

    async def never(_: object) -> None:
        await anyio.sleep_forever()

    async def asked() -> None:
        answer = await written(doors, Selection(), Note("me", "r"), "ndjson", payloads=False)
        assert isinstance(answer, StreamingResponse)
        with pytest.raises(TimeoutError):
            await answer.stream_response(never)

    anyio.run(asked)
    assert doors.exporting.acquire(timeout=10)
    assert doors.exporting.acquire(timeout=10)
    doors.exporting.release(2)


def test_costly_questions_that_take_too_long_are_not_asked_for_a_while(
    guarded: FastAPI, operator: httpx.Client
) -> None:
    """After three in a row; what is cheap is answered all the time."""
    doors = guarded.state.doors

    @contextmanager
    def slow() -> Iterator[LetterDesk]:
        with doors.letters() as desk, translated("count"):
            desk.connection.execute("SET statement_timeout = 1")
            desk.connection.execute("SELECT pg_sleep(10)")
            yield desk

    guarded.state.doors = replace(doors, letters=slow)
    kinds = [told(operator.get(f"{API}/letters"), 503)["kind"] for _ in range(4)]
    assert kinds == ["target.timeout"] * 3 + ["request.busy"]
    assert operator.get(f"{API}/workers").status_code == 200
    # nor does it keep anybody from ending what runs
    assert operator.get(f"{API}/jobs/999999").status_code == 503
    assert operator.post(f"{API}/jobs/999999/cancel", json=WHY).status_code == 404


def test_the_source_is_asked_for_as_many_rows_as_were_shown(shop: Shop, operator: httpx.Client) -> None:
    """Through its signal topic; refused when others would be asked for, or where there is no way to it."""
    letters = [shop.bad(2), shop.bad(3)]
    wanted = {"letters": {"id": letters}}
    found = told(operator.post(f"{API}/source/preview", json=wanted))
    assert (found["letters"], found["keys"], found["signals"], shop.signals) == (letters, 2, 1, [])
    told(operator.post(f"{API}/source/ask", json={**wanted, "expect": 1, **WHY}), 409)
    assert (shop.signals, shop.audit()) == ([], [])
    told(operator.post(f"{API}/source/ask", json={**wanted, "expect": 2, **WHY}))
    (signal,) = shop.signals
    assert b"execute-snapshot" in signal
    assert shop.audit() == [(OPERATOR, "ask source", "ticket 1")]
    shop.signals_go = False
    assert "topic_prefix" in told(operator.post(f"{API}/source/preview", json=wanted), 409)["detail"]


def test_a_worker_is_told_to_leave(shop: Shop, operator: httpx.Client) -> None:
    """One that reports itself; what came of it can be asked."""
    told(operator.post(f"{API}/workers/drain", json={"workers": ["worker-1"], **WHY}), 404)
    shop.worker()
    (command,) = told(operator.post(f"{API}/workers/drain", json={"workers": ["worker-1", "none"], **WHY}))["items"]
    assert (command["action"], command["worker"], command["outcome"]) == ("drain", "worker-1", None)
    (again,) = told(operator.get(f"{API}/commands", params={"id": command["id"]}))["items"]
    assert again == command
    assert shop.audit() == [(OPERATOR, "drain", "ticket 1")]


def test_a_connector_is_started_again_and_a_breaker_reset(shop: Shop, operator: httpx.Client) -> None:
    """What is asked for is written down first."""
    told(operator.post(f"{API}/breakers/reset", json={"breaker": "target", **WHY}), 404)
    shop.worker()
    (command,) = told(operator.post(f"{API}/breakers/reset", json={"breaker": "target", **WHY}))["items"]
    assert (command["worker"], command["actor"]) == ("worker-1", OPERATOR)
    told(operator.post(f"{API}/connectors/restart", json={"connector": "billing-source", **WHY}))
    told(operator.post(f"{API}/connectors/restart", json={"connector": "none", **WHY}), 404)
    assert (shop.connect.asked, [deed[1] for deed in shop.audit()][-2:]) == (
        ["billing-source", "none"],
        ["restart connector"] * 2,
    )


@pytest.mark.parametrize("reason", [None, "", "   ", "x" * 1001, "a\0b"])
def test_nothing_is_done_without_a_reason(shop: Shop, operator: httpx.Client, reason: str | None) -> None:
    """And what was sent is not repeated in the answer."""
    letter = shop.bad(2)
    body = {"letters": [letter]} | ({} if reason is None else {"reason": reason})
    found = told(operator.post(f"{API}/letters/discard", json=body), 422)
    assert (found["kind"], found["status"], bool(found["remedy"])) == ("request.invalid", 422, True)
    assert (shop.state(letter), shop.audit()) == ("dead", [])
    assert reason is None or not reason.strip() or reason not in str(found)


@pytest.mark.parametrize(
    "path",
    [
        "/letters/0", "/letters/-1", f"/letters/{2**63}", "/letters/x", "/letters?limit=0", "/letters?limit=1001",
        "/letters?text=%00", "/letters?state=no", "/letters?after=x", "/letters?since=2020-01-01", "/letters?no=1",
        "/letters?text=" + "x" * 256, "/batches?before=0", "/audit?limit=x", "/jobs/1/items?after=-1",
        "/letters/1/payload?original=no%20bool",
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused_with_its_place(operator: httpx.Client, path: str) -> None:
    """As a problem document, never as a defect."""
    answer = operator.get(API + path)
    assert told(answer, 422)["kind"] == "request.invalid"
    assert answer.headers["content-type"] == "application/problem+json"


def test_masked_columns_never_leave(shop: Shop, operator: httpx.Client) -> None:
    """Not in payload, difference or row."""
    shop.masks = (f"{shop.schema}.orders.note",)
    letter = shop.bad(1, note=CANARY)
    for part in ("payload", "difference", "row"):
        answer = operator.get(f"{API}/letters/{letter}/{part}")
        assert (answer.status_code, CANARY in answer.text, CANARY.encode().hex() in answer.text) == (200, False, False)


def test_what_is_only_tried_with_a_row_is_written_down(shop: Shop, operator: httpx.Client) -> None:
    """A dry run, and a patch that is refused: both say something of the row."""
    letter = shop.bad(1)
    patch = [{"op": "replace", "path": "/after/status", "value": "paid"}]
    path = f"{API}/letters/{letter}/edit"
    assert told(operator.post(path, json={**WHY, "patch": patch, "dry_run": True})) == {
        "changed": ["status"],
        "dry_run": True,
    }
    assert shop.audit() == [(OPERATOR, "try edit", "ticket 1")]
    guess = [{"op": "test", "path": "/after/customer", "value": "Bob"}, *patch]
    told(operator.post(path, json={**WHY, "patch": guess}), 409)
    assert shop.audit() == [(OPERATOR, "try edit", "ticket 1")] * 2
    told(operator.post(path, json={**WHY, "patch": patch}))
    assert shop.audit()[2:] == [(OPERATOR, "edit letter", "ticket 1")]


def test_looking_at_what_is_not_there_is_not_written_down(shop: Shop, operator: httpx.Client) -> None:
    """Nobody has seen anything."""
    for part in ("payload", "difference", "row"):
        told(operator.get(f"{API}/letters/99999999/{part}"), 404)
    assert shop.audit() == []


def test_workers_and_this_process_are_told_to_read_their_settings_again(shop: Shop, operator: httpx.Client) -> None:
    """All that live, or some; what came of it here is in the answer, of workers it can be asked."""
    shop.worker()
    answer = told(operator.post(f"{API}/workers/reload", json=WHY))
    (command,) = answer["items"]
    assert (command["action"], command["worker"], command["outcome"]) == ("reload", "worker-1", None)
    assert answer["admin"] == "nothing is read again here"
    assert shop.audit() == [(OPERATOR, "reload", "ticket 1")]


def test_nothing_is_opened_when_files_are_scarce(shop: Shop, clients: Clients) -> None:
    """It is refused with what to do, before the system refuses it; what needs no session is answered."""
    client = clients(Role.VIEWER)
    shop.crowded = True
    refused = told(client.get(f"{API}/positions"), 503)
    assert (refused["kind"], "ulimit" in refused["detail"]) == ("request.busy", True)
    assert client.get(f"{API}/about").status_code == 200
    shop.crowded = False
    assert client.get(f"{API}/positions").status_code == 200
