"""Builds the core with ASan and UBSan and runs the framework's quick tests in it: `python -m tests.sanitize`.

Then it builds the core without Python with TSan and lets threads use it at once (tests/csrc/race_driver.cpp);
`python -m tests.sanitize --races` does this alone. What is built lies in build/sanitize (beside links to the Python
sources) and build/races; nothing else of the checkout changes. Further arguments go to pytest. Exits with pytest's
code, or TSan's if it finds a race.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD, RACES = ROOT / "build" / "sanitize", ROOT / "build" / "races"
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
    place = ("-DFLAMBEAU_IN_PLACE=ON", f"-DFLAMBEAU_PLACE={PLACE}")
    _compile(BUILD, "all", *place, "-DFLAMBEAU_SANITIZE=address,undefined")


def races() -> int:
    """Build the core without Python with ThreadSanitizer, and run the driver; a race or a wrong number is not 0."""
    _compile(RACES, "race_driver", "-DFLAMBEAU_OPENBLAS=OFF", "-DFLAMBEAU_SANITIZE=thread")
    environment = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1:exitcode=66"}
    return subprocess.run([RACES / "tests" / "csrc" / "race_driver"], env=environment, check=False).returncode


def _compile(folder: Path, target: str, *options: str) -> None:
    tools = Path(sys.executable).parent
    subprocess.run(
        [
            tools / "cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *options,
            f"-DPython_EXECUTABLE={sys.executable}", f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}",
        ],
        check=True,
    )  # fmt: skip
    subprocess.run([tools / "cmake", "--build", folder, "--target", target], check=True)


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
    if sys.argv[1:] == ["--races"]:
        sys.exit(races())
    build()
    sys.exit(run(sys.argv[1:]) or races())
