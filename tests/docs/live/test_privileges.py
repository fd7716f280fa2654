"""The page about least privileges, followed: the roles that it makes can do all that a worker does, and no more."""

from contextlib import closing
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from tests.docs.blocks import blocks
from tests.docs.live.scene import Scene, environment
from tests.docs.live.terminal import Terminal

_PAGE = "docs/how-to/least-privileges.md"
_COLUMNS = """
SELECT string_agg(format('%%I %%s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)
FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
_CREATES = """
SELECT has_schema_privilege(%(role)s, 'public', 'CREATE'), has_schema_privilege(%(role)s, 'headrace', 'CREATE'),
    has_database_privilege(%(role)s, current_database(), 'CREATE')
"""


def _settings(scene: Scene, group: str, dsn: str) -> str:
    return (
        f'[kafka]\nbootstrap_servers = "{scene.at.kafka}"\ngroup = "{group}"\n'
        f'topics = ["shop.public.products", "shop.public.orders"]\n'
        f'[registry]\nurl = "{scene.at.registry_url}"\n[target]\ndsn = "{dsn}"\ncreate = false\n'
    )


def _made(scene: Scene, session: psycopg.Connection) -> None:
    """The tables, with what pages before have added to the source's: a column more would wait for its owner."""
    with psycopg.connect(scene.at.source_dsn) as source:
        for table in ("public.products", "public.orders"):
            ((columns,),) = source.execute(_COLUMNS.encode(), (table,)).fetchall()
            session.execute(f"CREATE TABLE {table} ({columns}, PRIMARY KEY (id))".encode())


def test_the_roles_apply_and_nothing_else(scene: Scene, tmp_path: Path) -> None:
    """On a server of its own database, whose tables somebody else made: the owner, and one that is granted it."""
    name, files = "privileges", {"headrace_apply": "headrace.toml", "headrace_worker": "worker.toml"}
    with psycopg.connect(scene.at.target_dsn, autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}".encode())
    owner = make_conninfo(scene.at.target_dsn, dbname=name)
    with psycopg.connect(owner, autocommit=True) as session:
        session.execute("REVOKE CREATE ON SCHEMA public FROM public")
        _made(scene, session)
    for role, file in files.items():
        dsn = make_conninfo(owner, user=role, password="...")
        (tmp_path / file).write_text(_settings(scene, f"privileges-{role}", dsn))
    with closing(Terminal(tmp_path, environment())) as terminal, psycopg.connect(owner, autocommit=True) as session:
        for block in blocks(_PAGE):
            if block.language == "sql":
                session.execute(block.text.replace("DATABASE shop", f"DATABASE {name}").encode())
            for command in block.commands:
                said = terminal.run(command)
                assert said.code == 0, said
        for role, file in files.items():
            session.execute("TRUNCATE public.products, public.orders")
            said = terminal.run(f"headrace run --until-current --config {file}")
            assert said.code == 0, said
            assert session.execute("SELECT count(*) > 0 FROM public.orders").fetchone() == (True,)
            assert session.execute(_CREATES, {"role": role}).fetchone() == (False, role == "headrace_apply", False)
