"""Run every check, the same way for a person and for CI.

python -m scripts.check [NAME ...]

Without a name, all of them; it ends with the number of those that failed.
"""

from __future__ import annotations

import subprocess
import sys
import time

CHECKS = {
    "lint": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "imports": ["lint-imports", "--no-cache"],
    "workflows": ["zizmor", "--offline", "--quiet", ".github"],
    "tests": ["pytest", "--durations=5"],
    "docs": [sys.executable, "-m", "scripts.check_docs"],
    "wheel": [sys.executable, "-m", "scripts.check_wheel"],
}


def main(names: list[str]) -> int:
    if unknown := set(names) - CHECKS.keys():
        print(f"no such check: {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}")
        return 2
    failed = [name for name in names or CHECKS if not passes(name)]
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed", flush=True)
    return len(failed)


def passes(name: str) -> bool:
    print(f"\n== {name}: {' '.join(CHECKS[name])}", flush=True)
    start = time.perf_counter()
    done = subprocess.run(CHECKS[name], check=False)
    print(
        f"== {name}: {time.perf_counter() - start:.0f} s, exit code {done.returncode}", flush=True
    )
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
