"""`python -m tools.site <folder>` writes the site there; a link that leads nowhere ends it with exit code 1.

The pages keep their places, so that the links that work in the repository work in the site.
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import MkDocsException

from tools.site.sources import navigation, sources

ROOT = Path(__file__).parents[2]


def main(arguments: list[str]) -> int:
    """Build the site; returns the exit code."""
    if len(arguments) != 1:
        print("usage: python -m tools.site <folder>", file=sys.stderr)
        return 2
    with TemporaryDirectory() as place:
        _copy(Path(place) / "pages")
        settings = yaml.safe_load((Path(__file__).parent / "mkdocs.yml").read_text(encoding="utf-8"))
        settings |= {"docs_dir": "pages", "nav": navigation(ROOT)}
        file = Path(place) / "mkdocs.yml"
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        try:
            build(load_config(str(file), site_dir=str(Path(arguments[0]).resolve()), strict=True))
        except MkDocsException as error:
            print(error, file=sys.stderr)
            return 1
    return 0


def _copy(into: Path) -> None:
    for name in sources(ROOT):
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, into / name)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
