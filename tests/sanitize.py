"""Builds the core with ASan and UBSan and runs the framework's quick tests in it: `python -m tests.sanitize`.

Then it builds with TSan and lets threads use the core at once, without Python (tests/csrc/race_driver.cpp) and from
Python's threads (the data loader, the pool, autograd); `python -m tests.sanitize --races` does this alone. What is
built lies in build/sanitize and build/races, beside links to the Python sources; nothing else of the checkout changes.
Kernels are built for the best level of instructions that this processor has, the one that tests run. Further arguments
go to pytest. Exits with pytest's code, and never with 0 where a sanitizer found anything.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD, RACES = ROOT / "build" / "sanitize", ROOT / "build" / "races"
TESTS = ("tests/framework",)
THREADED = tuple(f"tests/framework/test_{name}.py" for name in ("data", "threads", "threads_autograd"))
FORKED = tuple(  # TSan ends a child that starts threads, and is not made for forks among threads
    f"--deselect=tests/framework/test_threads.py::test_a_{name}"
    for name in ("forked_child_computes_too", "child_forked_while_threads_walk_finds_no_lock_held")
)
TWO = "-n", "2", "--dist", "loadgroup"
QUICK = "not slow and not torch and not release"


def build() -> None:
    """Build the module with both sanitizers into its own folder, next to the package's Python files."""
    place = BUILD / "place"
    _compile(BUILD, ["all"], *_module_in(place), "-DFLAMBEAU_SANITIZE=address,undefined")


def races() -> int:
    """With ThreadSanitizer: the core alone by its driver, then from Python's threads, the data loader's among them.

    A race, or a wrong number, is not 0.
    """
    place = RACES / "place"
    options = *_module_in(place), "-DFLAMBEAU_OPENBLAS=OFF", "-DFLAMBEAU_SANITIZE=thread"
    _compile(RACES, ["all", "race_driver"], *options)
    reports = RACES / "report"
    ending = f"halt_on_error=1:exitcode=66:log_path={reports}:suppressions={ROOT / 'tests' / 'tsan.supp'}"
    environment = {**os.environ, "TSAN_OPTIONS": ending}
    for old in RACES.glob("report.*"):
        old.unlink()
    driver = subprocess.run([RACES / "tests" / "csrc" / "race_driver"], env=environment, check=False).returncode
    code = driver or _pytest(place, ["libtsan.so"], environment, *TWO, "-m", "not torch", *FORKED, *THREADED)
    return _show(RACES) or code


def _module_in(place: Path) -> tuple[str, ...]:
    """Options that put the module into a folder of its own, where links to the package's Python files are made."""
    package = place / "flambeau"
    package.mkdir(parents=True, exist_ok=True)
    for source in (ROOT / "framework" / "flambeau").iterdir():
        link = package / source.name
        if source.suffix != ".so" and source.name not in ("libs", "__pycache__") and not link.exists():
            link.symlink_to(source)
    return "-DFLAMBEAU_IN_PLACE=ON", f"-DFLAMBEAU_PLACE={package}"


def _compile(folder: Path, targets: list[str], *options: str) -> None:
    tools = Path(sys.executable).parent
    subprocess.run(
        [
            tools / "cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *options,
            f"-DFLAMBEAU_CPU_LEVELS={_level(folder)}",
            f"-DPython_EXECUTABLE={sys.executable}", f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}",
        ],
        check=True,
    )  # fmt: skip
    subprocess.run([tools / "cmake", "--build", folder, "--target", *targets], check=True)


def _level(folder: Path) -> str:
    """The level of x86-64 that the backend chooses here, by the question that it asks; other processors have one."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return ""
    asked = '__builtin_cpu_supports("x86-64-v4") ? 4 : __builtin_cpu_supports("x86-64-v3") ? 3 : 2'
    program = folder / "level"
    source = f"int main() {{ __builtin_cpu_init(); return {asked}; }}"
    subprocess.run(["g++", "-x", "c++", "-", "-o", program], input=source, text=True, check=True)
    return f"v{subprocess.run([program], check=False).returncode}"


def run(arguments: list[str]) -> int:
    """Run the tests with the sanitizers' libraries in front; a finding ends the process and is shown at the end."""
    reports = BUILD / "report"
    for old in BUILD.glob("report.*"):
        old.unlink()
    environment = {
        **os.environ,
        # Python's own arenas are never given back: leaks are looked for in the C++ tests, not here.
        "ASAN_OPTIONS": f"detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:log_path={reports}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:log_path={reports}",
    }
    libraries = ["libasan.so", "libubsan.so"]
    code = _pytest(BUILD / "place", libraries, environment, *TWO, "-m", QUICK, *TESTS, *arguments)
    return _show(BUILD) or code


_NO_MEMORY = "WARNING: AddressSanitizer failed to allocate"  # tests ask for more than there is, and get an error


def _show(folder: Path) -> int:
    """What the sanitizers reported: pytest keeps the standard error of what it runs. 1 if they found anything.

    A process of pytest's that a finding ends between two tests, or as the last thing, fails no test.
    """
    lines = [line for report in folder.glob("report.*") for line in report.read_text().splitlines()]
    found = [line for line in lines if _NO_MEMORY not in line]
    print(*found, sep="\n", file=sys.stderr)
    return int(any(found))


def _pytest(place: Path, libraries: list[str], environment: dict[str, str], *arguments: str) -> int:
    """The tests with the module in `place` and these libraries before all others."""
    environment = {
        **environment,
        "LD_PRELOAD": " ".join(map(_library, libraries)),
        "PYTHONPATH": str(place),  # for the programs that tests start
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-o", f"pythonpath={place} ."]
    return subprocess.run([*command, *arguments], cwd=ROOT, env=environment, check=False).returncode


def _library(name: str) -> str:
    done = subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    if sys.argv[1:] == ["--races"]:
        sys.exit(races())
    build()
    sys.exit(run(sys.argv[1:]) or races())
