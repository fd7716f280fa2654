"""What pages take for granted, made real: letters, jobs, stopped partitions, tables that were altered."""

from collections.abc import Mapping

from confluent_kafka.admin import AdminClient

from tests.docs.live.following import Given
from tests.docs.live.scene import WORKER, Scene
from tests.real.engine.feed import create_topic
from tests.real.engine.worker import eventually

Words = Mapping[str, str]
_NOTHING = frozenset({3})
_JOB = "SELECT max(id) FROM headrace.jobs WHERE kind = %s"


def _one(scene: Scene, query: str, *parameters: object) -> str:
    return str(scene.ask(query, *parameters)[0][0])


def letters(scene: Scene) -> Words:
    """Dead ones of a check, and of a value that is too large, each a group."""
    large, (first, second) = scene.large(1)[0], scene.refused(2)[:2]
    fingerprint = _one(scene, "SELECT fingerprint FROM headrace.letters WHERE id = %s", large)
    return {"4711": str(first), "4712": str(second), "17": str(first), "v1-098cfaaf619e9bfc": fingerprint}


def large(scene: Scene) -> Words:
    """Dead ones of a value, in euros."""
    scene.large(2)
    return {}


def refused(scene: Scene) -> Words:
    """Dead ones of a check."""
    scene.refused(3)
    return {}


def rows_of_others(_: Scene) -> Words:
    """Letters that the source can be asked for are of other kinds here."""
    return {"record.unplaced": "record.check", "record.gone": "record.value"}


def old(scene: Scene) -> Words:
    """Dead ones of a table that nobody wants."""
    scene.refused(2, "public.old")
    return {}


def left_by_a_sink(scene: Scene) -> Words:
    """A record in the dead-letter topic of another consumer."""
    scene.left_by_the_sink()
    return {}


def imported(scene: Scene) -> Words:
    """The letter that was made of it."""
    return {"17": _one(scene, "SELECT max(id) FROM headrace.letters WHERE kind = 'record.imported'")}


def last_search(scene: Scene) -> Words:
    """The job that was made last."""
    return {"12": _one(scene, _JOB, "search")}


def last_job(scene: Scene) -> Words:
    """The replay that was made last."""
    return {"7": _one(scene, _JOB, "replay")}


def slow_job(scene: Scene) -> Words:
    """A replay that goes on for minutes."""
    scene.refused(30)
    scene.given("headrace replay start --kind record.check --rate 0.2 --canary 0 --reason slow")
    return last_job(scene)


def a_batch(scene: Scene) -> Words:
    """The last one that was applied to a table of the shop, and to no other."""
    last = _one(scene, "SELECT coalesce(max(id), 0) FROM headrace.batches")
    scene.source("UPDATE shop.orders SET total = total + 1")
    query = (
        f"SELECT max(id) FROM headrace.batches WHERE id > {last} AND state = 'applied' "
        "AND tables::text LIKE '%%shop.orders%%'"
    )
    eventually(lambda: scene.ask(query) != [(None,)], "a batch of the table")
    return {"4711": _one(scene, query)}


def a_batch_with_images(scene: Scene) -> Words:
    """One whose log has the whole rows of before."""
    scene.source("ALTER TABLE shop.orders REPLICA IDENTITY FULL")
    return a_batch(scene)


def last_undoing(scene: Scene) -> Words:
    """The one that was begun last."""
    return {"1": _one(scene, "SELECT max(id) FROM headrace.workflows WHERE kind = 'undo'")}


def a_batch_of_history(scene: Scene) -> Words:
    """The last one that has added to the history."""
    query = "SELECT max(id) FROM headrace.batches WHERE state = 'applied' AND tables::text LIKE '%%orders_history%%'"
    return {"4711": _one(scene, query)}


def emptied(scene: Scene) -> Words:
    """A truncate that stops its partition."""
    scene.source("TRUNCATE shop.products")
    query = "SELECT count(*) FROM headrace.positions WHERE stopped ->> 'kind' = 'table.truncate'"
    eventually(lambda: scene.ask(query) == [(1,)], "the truncate has stopped the topic")
    return {}


def paused(scene: Scene) -> Words:
    """A table that somebody has paused."""
    scene.given("headrace tables pause public.orders --reason given")
    return {}


def altered(scene: Scene) -> Words:
    """A column that waits for somebody."""
    number = _one(scene, "SELECT count(*) FROM headrace.schema_changes")
    scene.source(f"ALTER TABLE public.orders ADD COLUMN more_{number} text")
    scene.source("INSERT INTO public.orders (total) VALUES (1)")
    query = "SELECT count(*) FROM headrace.schema_changes WHERE state = 'planned'"
    eventually(lambda: scene.ask(query) == [(1,)], "the change is planned")
    return {}


def worker(scene: Scene) -> Words:
    """The worker's name and process."""
    name = _one(scene, "SELECT name FROM headrace.workers WHERE pid = %s", scene.running["run"].pid)
    return {"db3-4711-c973d0": name, WORKER: name, "<pid of headrace run>": str(scene.running["run"].pid)}


def different(scene: Scene) -> Words:
    """A row less and another one."""
    scene.do("DELETE FROM shop.orders WHERE id = 1; UPDATE shop.orders SET total = -1 WHERE id = 2")
    return {}


def last_comparison(scene: Scene) -> Words:
    """The one that was made last."""
    return {"1": _one(scene, "SELECT max(id) FROM headrace.workflows WHERE kind = 'reconcile'")}


def free_console(scene: Scene) -> Words:
    """Its port is free."""
    scene.running["admin"].kill()
    return {}


def logged_in(scene: Scene) -> Words:
    """An operator's token, which the admin process takes, and no other."""
    *section, token = scene.given("headrace admin token ada --role operator").splitlines()
    scene.settings(*section)
    scene.running["admin"].kill()
    scene.ensure()
    return {"hr_6mJ…": token}


def places(scene: Scene) -> Words:
    """Where servers answer."""
    console = f"http://127.0.0.1:{scene.console}"
    return {
        "http://connect:8083": scene.at.connect_url,
        "kafka:9092": scene.at.kafka,
        "https://headrace.example": console,
        "http://127.0.0.1:8470": console,
    }


def behind(scene: Scene) -> Words:
    """Records that are not applied yet: nobody reads them."""
    assert scene.running["run"].leave() == 0
    query = "SELECT next_offset FROM headrace.positions WHERE topic = 'shop.shop.orders' AND partition = 0"
    begin = int(_one(scene, query))
    scene.source("UPDATE shop.orders SET total = total + 1")
    eventually(lambda: scene.end("shop.shop.orders") > begin, "the changes are in the topic")
    return {"1200": str(begin), "1250": str(begin + 1)}


def another_schema(scene: Scene) -> Words:
    """It is there."""
    scene.do("CREATE SCHEMA IF NOT EXISTS archive")
    return {}


def made_anew(scene: Scene) -> Words:
    """The topic was deleted by mistake."""
    assert scene.running["run"].leave() == 0
    admin = AdminClient({"bootstrap.servers": scene.at.kafka})
    admin.delete_topics(["shop.shop.orders"])["shop.shop.orders"].result(30)
    eventually(lambda: "shop.shop.orders" not in admin.list_topics(timeout=10).topics, "the topic is gone")
    create_topic(scene.at.kafka, "shop.shop.orders", 4)
    scene.source("UPDATE shop.orders SET total = total + 1")
    scene.ensure()
    query = "SELECT count(*) FROM headrace.positions WHERE stopped ->> 'kind' = 'log.recreated'"
    eventually(lambda: scene.ask(query) != [(0,)], "the worker has noticed")
    return {}


def history(_: Scene) -> Words:
    """The table of events goes by another name here."""
    return {"public.orders": "public.orders_history"}


def few(_: Scene) -> Words:
    """An offset that is there."""
    return {"1200": "3", "41250": "3"}


GIVENS = (
    # what is looked for may not be there
    Given(
        command=r"^headrace (dlq ls|dlq groups|healing|positions ls --stopped|batches ls|schema plan|replay ls)",
        codes=_NOTHING,
    ),
    Given(command=r"https?://|kafka:9092", make=places),
    Given(command=r"kill -HUP|workers drain", make=worker),
    # letters
    Given(command=r"dlq (show|replay|edit|discard|export|groups)|letters/replay|replay start --group", make=letters),
    Given(command=r"dlq search", make=large),
    Given(command=r"--job 12|status 12", make=last_search),
    Given(page="docs/how-to/import", command=r"dlq import", make=left_by_a_sink),
    Given(page="docs/how-to/import", command=r"dlq show", make=imported),
    Given(command=r"replay start --kind record\.check", make=refused),
    Given(command=r"replay start --discard", make=old),
    Given(command=r"dlq ask-source", make=rows_of_others, codes=frozenset({5})),
    Given(command=r"replay pause 7", make=slow_job),
    Given(command=r"replay (status|report) 7", make=last_job, again=True),
    # a job whose letters are refused once more says so
    Given(command=r"replay status", codes=frozenset({5})),
    # batches and positions
    Given(command=r"batches show|recover reapply", make=a_batch),
    Given(command=r"recover erase", make=a_batch_of_history),
    Given(command=r"recover undo", make=a_batch_with_images, codes=frozenset({1})),
    Given(command=r"recover (rows|resume)", make=last_undoing),
    Given(command=r"--to skip|batches retry --stopped( --reason|$)", make=emptied),
    Given(page="docs/runbooks/", command=r"tables resume", make=paused),
    Given(command=r"batches retry --stopped --topic", codes=_NOTHING),
    Given(command=r"next_offset = 1200|--to 41250", make=few),
    # schema
    Given(command=r"schema (plan|apply)", make=altered),
    # comparisons and recoveries
    Given(command=r"reconcile start", make=different, codes=frozenset({5})),
    Given(command=r"reconcile (show|keys|repair)", make=last_comparison),
    # it stops for a person, who has to change the settings
    Given(command=r"recover move", make=another_schema, codes=frozenset({1})),
    Given(command=r"recover skip", make=behind),
    Given(command=r"recover adopt", make=made_anew),
    # others
    Given(command=r"admin serve", make=free_console),
    Given(command=r"^export (HEADRACE_)?TOKEN=", make=logged_in),
    Given(page="docs/how-to/keep-history.md", command=r"_source_time", make=history),
)
