"""The page about least privileges, followed: the role that it makes can do all that a worker does, and no more."""

from contextlib import closing
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from tests.docs.blocks import blocks
from tests.docs.live.scene import Scene, environment
from tests.docs.live.terminal import Terminal

_PAGE = "docs/how-to/least-privileges.md"
_TABLES = """
CREATE TABLE public.products (id bigint PRIMARY KEY, name text);
CREATE TABLE public.orders (
    id bigint PRIMARY KEY, code text, total numeric(10, 2), currency text, credit numeric(10, 2), photo bytea,
    born date, country text, phone text);
"""


def test_the_role_applies_and_nothing_else(scene: Scene, tmp_path: Path) -> None:
    """On a server of its own database, whose tables somebody else made."""
    name, role = "privileges", "headrace_apply"
    with psycopg.connect(scene.at.target_dsn, autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}".encode())
    owner = make_conninfo(scene.at.target_dsn, dbname=name)
    with psycopg.connect(owner, autocommit=True) as session:
        session.execute("REVOKE CREATE ON SCHEMA public FROM public")
        session.execute(_TABLES.encode())
    dsn = make_conninfo(owner, user=role, password="...")
    (tmp_path / "headrace.toml").write_text(
        f'[kafka]\nbootstrap_servers = "{scene.at.kafka}"\ngroup = "privileges"\n'
        f'topics = ["shop.public.products", "shop.public.orders"]\n'
        f'[registry]\nurl = "{scene.at.registry_url}"\n[target]\ndsn = "{dsn}"\ncreate = false\n'
    )
    with closing(Terminal(tmp_path, environment())) as terminal, psycopg.connect(owner, autocommit=True) as session:
        for block in blocks(_PAGE):
            if block.language == "sql":
                session.execute(block.text.replace("DATABASE shop", f"DATABASE {name}").encode())
            for command in block.commands:
                said = terminal.run(command)
                assert said.code == 0, said
        said = terminal.run("headrace run --until-current")
        assert said.code == 0, said
        assert session.execute("SELECT count(*) > 0 FROM public.orders").fetchone() == (True,)
        assert session.execute(f"SELECT has_schema_privilege('{role}', 'public', 'CREATE')".encode()).fetchone() == (
            False,
        )
        assert session.execute(f"SELECT has_database_privilege('{role}', '{name}', 'CREATE')".encode()).fetchone() == (
            False,
        )
