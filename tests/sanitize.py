"""Builds the core with ASan and UBSan and runs the framework's quick tests in it: `python -m tests.sanitize`.

The sanitized module lies in build/sanitize, beside links to the Python sources; nothing else of the checkout changes.
Further arguments go to pytest. Exits with pytest's code.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "sanitize"
PLACE = BUILD / "place" / "flambeau"
TESTS = ("tests/framework",)
QUICK = "not slow and not torch and not release"


def build() -> None:
    """Build the module with both sanitizers into its own folder, next to the package's Python files."""
    PLACE.mkdir(parents=True, exist_ok=True)
    for source in (ROOT / "framework" / "flambeau").iterdir():
        link = PLACE / source.name
        if source.suffix != ".so" and source.name not in ("libs", "__pycache__") and not link.exists():
            link.symlink_to(source)
    tools = Path(sys.executable).parent
    subprocess.run(
        [
            tools / "cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja",
            "-DFLAMBEAU_IN_PLACE=ON", "-DFLAMBEAU_SANITIZE=address,undefined", f"-DFLAMBEAU_PLACE={PLACE}",
            f"-DPython_EXECUTABLE={sys.executable}", f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}",
        ],
        check=True,
    )  # fmt: skip
    subprocess.run([tools / "cmake", "--build", BUILD], check=True)


def run(arguments: list[str]) -> int:
    """Run the tests with the sanitizers' libraries in front; a finding ends the process."""
    libraries = [_library(name) for name in ("libasan.so", "libubsan.so")]
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(libraries),
        "PYTHONPATH": str(PLACE.parent),  # for the programs that tests start
        # Python's own arenas are never given back: leaks are looked for in the C++ tests, not here.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", QUICK, "-p", "no:cacheprovider"]
    paths = ["-o", f"pythonpath={PLACE.parent} ."]
    return subprocess.run([*command, *paths, *TESTS, *arguments], cwd=ROOT, env=environment, check=False).returncode


def _library(name: str) -> str:
    done = subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    build()
    sys.exit(run(sys.argv[1:]))
