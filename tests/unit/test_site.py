"""The documentation's site: what is on it, and in which order it is listed."""

from pathlib import Path

from tools.site.sources import SECTIONS, navigation, sources

README = "# Home\n\n[index](docs/README.md) [settings](schemas/s.json) [all](CHANGELOG.md)\n"
FILES = {
    "README.md": README,
    "CHANGELOG.md": "# Changes\n",
    "docs/README.md": "# Pages\n\n[b](how-to/b.md)\n",
    "LICENSE": "",
    "docs/how-to/a.md": "# A `thing`\n\n[b](b.md#there) [picture](../images/p.png)\n",
    "docs/how-to/b.md": "# B\n",
    "docs/images/p.png": "",
    "docs/images/unused.png": "",
    "docs/why.md": "# Why\n",
    "schemas/s.json": "{}",
}


def made(root: Path) -> Path:
    """A repository with these files."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_pages_and_what_they_lead_to_are_on_the_site(tmp_path: Path) -> None:
    """Nothing else of the repository."""
    assert {str(name) for name in sources(made(tmp_path))} == FILES.keys() - {"LICENSE", "docs/images/unused.png"}


def test_pages_are_listed_by_need_and_as_the_page_of_all_pages_names_them(tmp_path: Path) -> None:
    """Each once; what has no section comes last."""
    listed = {title: pages for entry in navigation(made(tmp_path)) for title, pages in entry.items()}
    assert list(listed) == ["Headrace", "All pages", *SECTIONS.values(), "More"]
    assert listed["Do"] == [{"B": "docs/how-to/b.md"}, {"A thing": "docs/how-to/a.md"}]
    assert listed["Understand"] == [{"Why": "docs/why.md"}]
    assert listed["More"] == [{"Changes": "CHANGELOG.md"}]
