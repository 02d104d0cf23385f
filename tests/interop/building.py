"""Programs of these tests that have to be compiled, by the build that made the package: against its Aeron."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def built(target: str) -> Path:
    """Where the build is, in which a target is made first.

    Raises:
        AssertionError: this tree was not built, or the compiler refused.
    """
    caches = sorted((ROOT / "build").glob("cp*/CMakeCache.txt"), key=lambda each: each.stat().st_mtime)
    assert caches, f"{ROOT}/build has no build of the package: run `make test`"
    build = caches[-1].parent
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cmake = shutil.which("cmake", path=path)
    assert cmake is not None, "no cmake beside this Python: run `make test`"
    with (build / "interop.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        done = subprocess.run(
            [cmake, "--build", build, "--target", target],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=os.environ | {"PATH": path},
        )
    assert done.returncode == 0, done.stdout
    return build
