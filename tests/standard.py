"""Runs the Array API standard's own test suite against flambeau: `python -m tests.standard`.

The suite is cloned from its public repository at the commit below into build/array-api-tests, or taken from
`--suite FOLDER`; it needs the packages ndindex and pytest-json-report beside those of the tests. No test is skipped or
expected to fail by us. Further arguments go to pytest. Exits with pytest's code.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://github.com/data-apis/array-api-tests"
COMMIT = "55fcc60179efa2680ddd6cd926ddf17b83530e2b"
VERSION = "2025.12"


def clone(folder: Path) -> None:
    """The suite at COMMIT, with the standard's text, which it reads."""
    if not (folder / ".git").exists():
        subprocess.run(["git", "clone", "-q", REPOSITORY, folder], check=True)
    subprocess.run(["git", "-C", folder, "checkout", "-q", COMMIT], check=True)
    subprocess.run(["git", "-C", folder, "submodule", "-q", "update", "--init"], check=True)


def run(folder: Path, arguments: list[str]) -> int:
    """Every test of the suite in `folder`."""
    environment = {
        **os.environ,
        "ARRAY_API_TESTS_MODULE": "flambeau",
        "ARRAY_API_TESTS_VERSION": VERSION,
        "PYTHONPATH": str(ROOT / "framework"),
    }
    options = ["-q", "-rsxf", "-p", "no:cacheprovider", "--disable-deadline", "--max-examples", "100"]
    command = [sys.executable, "-m", "pytest", "array_api_tests", *options, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, help="a checkout of the suite, taken as it is")
    given, further = parser.parse_known_args()
    missing = [name for name in ("ndindex", "pytest_jsonreport") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"the suite needs {', '.join(missing)}: pip install ndindex pytest-json-report", file=sys.stderr)
        return 2
    folder = given.suite or ROOT / "build" / "array-api-tests"
    if given.suite is None:
        clone(folder)
    return run(folder, further)


if __name__ == "__main__":
    sys.exit(main())
