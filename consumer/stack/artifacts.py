"""The Java side's files: exactly what artifacts.json lists, downloaded once, checked before each use."""

import hashlib
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from consumer.stack import manifest
from consumer.stack.cache import cache_dir, locked, scratch_dir
from consumer.stack.digests import sha256, sha256_of_all
from consumer.stack.failures import missing_extra, persistent, transient
from consumer.stack.progress import Reporter

LOCK_FILE = Path(__file__).with_name("artifacts.json")
_DOWNLOADS_AT_ONCE = 6
_LOCK_SECONDS = 900
_REMEDY = "Check the network and the package registry, then try again; what is complete is kept."
_FOREIGN_REMEDY = (
    "Find what sends another file in the registry's place, such as a proxy; it was not kept. Then try again."
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file in Maven's naming, with the digest that it must have."""

    group: str
    name: str
    version: str
    classifier: str
    packaging: str
    sha256: str

    @property
    def filename(self) -> str:
        """The file's name in a Maven repository."""
        suffix = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{suffix}.{self.packaging}"

    @property
    def path(self) -> Path:
        """The file's place in a Maven repository."""
        return Path(*self.group.split("."), self.name, self.version, self.filename)


class Artifacts:
    """Finds bundles of artifacts in the cache and fetches what is missing from a Maven repository, the central one."""

    def __init__(self, reporter: Reporter, cache: Path | None = None, repository: str | None = None) -> None:
        self._cache = cache or cache_dir()
        self._repositories = {"packages": repository} if repository else None
        self._reporter = reporter
        self._bundles = _read_lock()

    def fetch(self, bundles: Iterable[str]) -> None:
        """Makes sure that all artifacts of these bundles are in the cache, with their digests; silent when they are.

        One that was damaged in the cache is taken out and downloaded again.
        """
        wanted = [artifact for bundle in bundles for artifact in self._bundles[bundle]]
        if not self._missing(wanted):
            return
        with locked(self._cache / "download.lock", _LOCK_SECONDS), self._reporter.downloads():
            missing = self._missing(wanted)
            for artifact in missing:
                self._place(artifact).unlink(missing_ok=True)
            with scratch_dir(self._cache / ".download") as scratch:
                self._download_all(missing, scratch)

    def jars(self, bundle: str) -> list[Path]:
        """The jar files of a fetched bundle."""
        return [self._place(artifact) for artifact in self._bundles[bundle]]

    def unpacked(self, bundle: str) -> Path:
        """The directory of a fetched bundle's one archive, unpacked; each file of it as it came."""
        (artifact,) = self._bundles[bundle]
        target = self._cache / "unpacked" / f"{bundle}-{artifact.version}-{artifact.sha256[:12]}"
        return self._made(bundle, target, lambda content: self._unpack(self._place(artifact), content))

    def plugin(self, bundle: str, services: Mapping[str, str]) -> Path:
        """A directory with one plugin inside it: a fetched bundle's jars, and a jar that announces services.

        `services` names an implementation for each interface; Connect finds plugins quickly only by such entries.
        """
        digest = hashlib.sha256("".join(each.sha256 for each in self._bundles[bundle]).encode()).hexdigest()
        target = self._cache / "unpacked" / f"{bundle}-{digest[:12]}"
        return self._made(bundle, target, lambda content: self._assemble(bundle, content, services))

    def _made(self, bundle: str, target: Path, make: Callable[[Path], None]) -> Path:
        """The target with what `make` fills it with; made anew when it came to harm."""
        if manifest.is_whole(target):
            return target
        with locked(self._cache / f"{bundle}.lock", _LOCK_SECONDS):
            if not manifest.is_whole(target):
                with scratch_dir(self._cache / f".new-{bundle}") as scratch:
                    make(scratch / "content")
                    manifest.place(scratch / "content", target)
        return target

    def _place(self, artifact: Artifact) -> Path:
        return self._cache / "maven" / artifact.path

    def _missing(self, wanted: Sequence[Artifact]) -> list[Artifact]:
        """Those that are not there with their digests."""
        there = [artifact for artifact in wanted if self._place(artifact).exists()]
        digests = sha256_of_all([self._place(artifact) for artifact in there])
        whole = {artifact for artifact, digest in zip(there, digests, strict=True) if digest == artifact.sha256}
        return [artifact for artifact in wanted if artifact not in whole]

    def _assemble(self, bundle: str, content: Path, services: Mapping[str, str]) -> None:
        plugin = content / bundle
        plugin.mkdir(parents=True)
        for jar in self.jars(bundle):
            shutil.copy2(jar, plugin)
        with zipfile.ZipFile(plugin / "services.jar", "w") as announced:
            for interface, implementation in services.items():
                # an entry without a time, so that the jar is the same whenever it is made
                announced.writestr(zipfile.ZipInfo(f"META-INF/services/{interface}"), implementation + "\n")

    def _unpack(self, archive: Path, content: Path) -> None:
        self._reporter.say(f"unpacking {archive.name}")
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(content, filter="data")
        except (tarfile.TarError, OSError) as cause:
            detail = f"{archive.name} can't be unpacked: {cause}"
            remedy = f"See that there is room below {self._cache}, then try again."
            raise persistent("unpack", "archive_unusable", detail, remedy) from cause

    def _download_all(self, missing: list[Artifact], scratch: Path) -> None:
        with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE, thread_name_prefix="stack-download") as pool:
            try:
                list(pool.map(lambda artifact: self._download(artifact, scratch), missing))
            finally:
                # After a failure or Ctrl-C no further one begins.
                pool.shutdown(wait=False, cancel_futures=True)

    def _download(self, artifact: Artifact, scratch: Path) -> None:
        """Into a scratch repository first, so that nothing gets into the cache unchecked."""
        found = self._resolve(artifact, scratch)
        digest = sha256(found)
        if digest != artifact.sha256:
            detail = f"{artifact.filename} has digest {digest}, expected {artifact.sha256}"
            raise persistent("download", "digest_mismatch", detail, _FOREIGN_REMEDY)
        target = self._place(artifact)
        target.parent.mkdir(parents=True, exist_ok=True)
        found.replace(target)

    def _resolve(self, artifact: Artifact, scratch: Path) -> Path:
        try:
            import requests
            from jgo.maven import MavenContext, PythonResolver
        except ImportError as cause:
            raise missing_extra(cause) from cause
        resolver = PythonResolver(progress_callback=self._reporter.download)
        context = MavenContext(repo_cache=scratch, resolver=resolver, remote_repos=self._repositories, timeout=60)
        component = context.project(artifact.group, artifact.name).at_version(artifact.version)
        try:
            return component.artifact(artifact.classifier, artifact.packaging).resolve()
        except (requests.RequestException, OSError) as cause:
            detail = f"{artifact.filename} could not be downloaded: {cause}"
            raise transient("download", "download_failed", detail, _REMEDY) from cause
        except RuntimeError as cause:
            raise persistent("download", "artifact_absent", str(cause), _REMEDY) from cause


def _read_lock() -> dict[str, tuple[Artifact, ...]]:
    lock: dict[str, dict[str, str]] = json.loads(LOCK_FILE.read_text(encoding="utf-8"))
    return {
        bundle: tuple(_artifact(coordinate, digest) for coordinate, digest in entries.items())
        for bundle, entries in lock.items()
    }


def _artifact(coordinate: str, digest: str) -> Artifact:
    group, name, version, classifier, packaging = coordinate.split(":")
    return Artifact(group, name, version, classifier, packaging, digest)
