"""Runs what soaks: ``python -m tests.soak [--minutes N] [--seed S] [NAME ...]``."""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import time
import traceback

from tests.soak import SOAKS


def main() -> int:
    """Each of those asked for, one after the other; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*SOAKS, []], help=f"of {', '.join(SOAKS)}")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long each of them takes")
    parser.add_argument("--seed", type=int, default=None, help="of all that is random")
    options = parser.parse_args()
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    failed = []
    for name in options.names or SOAKS:
        print(f"{name}: {options.minutes:g} minutes, seed {seed}", flush=True)
        began = time.monotonic()
        try:
            importlib.import_module(f"tests.soak.{name}").main(options.minutes, seed)
        except Exception:
            traceback.print_exc()
            failed.append(name)
        print(f"{name}: {'FAILED' if name in failed else 'passed'} after {time.monotonic() - began:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
