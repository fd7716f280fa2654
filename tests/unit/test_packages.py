"""Tests are one package, so that no module of theirs is loaded twice, under two names."""

from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_each_folder_with_a_module_is_a_package() -> None:
    """What counts for a whole session, as names that were given, would else be there twice."""
    folders = {module.parent for module in TESTS.rglob("*.py")}

    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []
