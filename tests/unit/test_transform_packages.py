"""Packages that offer transforms, and what of them can't be used."""

import hmac
import sys
from pathlib import Path

import pytest

from consumer.composition.binding_settings import binder_settings
from consumer.core.failure import Refused
from consumer.edges.transforms import load_transform
from consumer.settings.loading import load
from tests.unit.mapped import KEY, NAME, frame, row, table


def package(path: Path, name: str, code: str, target: str) -> None:
    """A package as it is when installed, with one entry point."""
    (path / f"{name}.py").write_text(code)
    info = path / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[headrace.transforms]\n{name} = {name}:{target}\n")


LOUD = """
import polars as pl

class Loud:
    made_from = {"first": ("first",)}

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.col("first").str.to_uppercase())

loud = Loud()
deaf = lambda rows: rows
"""


def test_a_package_offers_a_transform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an entry point, whose name the settings give."""
    package(tmp_path, "loudly", LOUD, "loud")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "headrace.toml").write_text(
        '[kafka]\nbootstrap_servers = "b:1"\ntopics = ["t"]\n[registry]\nurl = "http://r"\n[target]\ndsn = "x"\n'
        f'[secrets]\nhash_key = "{KEY.decode()}"\n'
        f'[tables."{NAME}"]\ntransform = "loudly"\nconstants = {{origin = "shop"}}\n'
        f'[tables."{NAME}".columns]\nlast = {{hash = true}}\n'
    )
    found = load()
    wanted = binder_settings(found).mappings[str(NAME)]
    target = table("id", "first", "last", "n", "origin", n="int4")

    assert KEY.decode() not in repr(found)
    shaped = frame(wanted, target, row(1))
    assert shaped["first"].to_list() == ["ADA"]
    assert shaped["last"].to_list() == [hmac.new(KEY, b"Byron", "sha256").hexdigest()]
    assert shaped["origin"].to_list() == ["shop"]


@pytest.mark.provokes("worker.settings")
@pytest.mark.parametrize(
    ("code", "target", "name", "says"),
    [
        pytest.param(LOUD, "loud", "other", "no package offers a transform 'other'; there are: mine", id="not there"),
        pytest.param("raise OSError", "loud", "mine", "can't be imported (OSError)", id="broken"),
        pytest.param(LOUD, "quiet", "mine", "can't be imported (AttributeError)", id="nothing of that name"),
        pytest.param(LOUD, "deaf", "mine", "has no made_from", id="no transform"),
    ],
)
def test_a_transform_that_can_not_be_used_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, target: str, name: str, says: str
) -> None:
    """With the group of entry points that it is to be in."""
    package(tmp_path, "mine", code, target)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    with pytest.raises(Refused) as caught:
        load_transform(name)

    assert says in caught.value.failure.detail
    assert "headrace.transforms" in caught.value.failure.remedy
