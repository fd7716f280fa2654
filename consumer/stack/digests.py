"""Digests of files, by which harm to them is seen."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def sha256(file: Path) -> str:
    """The digest of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of_all(files: Sequence[Path]) -> list[str]:
    """The digests of the files, in their order; all cores work on them."""
    with ThreadPoolExecutor(thread_name_prefix="stack-digest") as pool:
        return list(pool.map(sha256, files))
