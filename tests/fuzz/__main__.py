"""`python -m tests.fuzz TARGET --seconds 60`: looks for bytes that break a reader of files, led by what the code does.

Needs atheris (`pip install atheris==3.0.0`), libFuzzer for Python. It begins with the stored corpus, stops at the
first finding, writes the bytes that made it to build/fuzz and prints how to see it again. New bytes that reach new code
stay in build/fuzz/TARGET; `--keep` moves them into the corpus, which tests/framework/test_hostile_files.py reads in
every run of the tests. `python -m tests.fuzz seeds` writes the files that tests make by hand (truncated, overlapping,
huge, negative, recursive, ...) into the corpus.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
FOUND = ROOT / "build" / "fuzz"
MOST_BYTES = 4096
MEMORY = 4 << 30  # a reader that believes a huge size fails here


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*sorted(path.name for path in CORPUS.iterdir()), "seeds"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", action="store_true", help="add what was found to the stored corpus")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # in this process, which libFuzzer ends
    options = parser.parse_args()
    if options.target == "seeds":
        # Not above: what is imported before atheris is not watched.
        from tests.fuzz.seeds import write

        return write()
    found, kept = FOUND / options.target, CORPUS / options.target
    found.mkdir(parents=True, exist_ok=True)
    if options.here:
        return fuzz(options.target, [found, kept], [f"-max_total_time={options.seconds}"])
    again = [sys.executable, "-m", "tests.fuzz", options.target, "--here", "--seconds", str(options.seconds)]
    code = subprocess.run(again, cwd=ROOT, check=False).returncode
    if code == 0 and options.keep:
        for path in found.iterdir():
            path.rename(kept / path.name)
    return code


def fuzz(target: str, corpora: list[Path], options: list[str]) -> int:
    """Let libFuzzer call the target; it ends the process."""
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: pip install atheris==3.0.0", file=sys.stderr)
        return 2
    # Led by what Python code is reached, so that must be loaded through atheris; the core's checks lie behind it.
    watched = [
        "flambeau.safetensors",
        "flambeau.pickled",
        "flambeau.npz",
        "pickletools",
        "json.decoder",
        "zipfile",
        "numpy.lib._format_impl",
        "numpy.lib._npyio_impl",
    ]
    with atheris.instrument_imports(include=watched):
        from flambeau import npz, pickled  # noqa: F401 - loaded here to be watched

        from tests.fuzz.targets import TARGETS
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    arguments = [f"-artifact_prefix={FOUND}/{target}-", f"-max_len={MOST_BYTES}", "-timeout=20", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, *arguments, *map(str, corpora)], TARGETS[target])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
