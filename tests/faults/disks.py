"""Small disks in memory, which can be filled, and made larger."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType


class SmallDisk:
    """A tmpfs of so many bytes: ``with SmallDisk(path, size)``. It takes root to mount one."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size

    def __enter__(self) -> SmallDisk:
        self.path.mkdir(parents=True)
        self._mount(f"size={self.size}", "-t", "tmpfs", "tmpfs")
        return self

    def grow(self, size: int) -> None:
        self._mount(f"remount,size={size}")

    def fill(self) -> None:
        """Leave nothing free."""
        with (self.path / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                return

    def _mount(self, options: str, *arguments: str) -> None:
        done = subprocess.run(
            ["mount", "-o", options, *arguments, str(self.path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"mount, which needs root, failed: {done.stderr}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Lazily: what a killed process had mapped may be let go a moment later.
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)
