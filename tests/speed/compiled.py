"""Small C sources beside this file, compiled for this run."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="flambeau-bench-")


@cache
def shared_object(source: str, *flags: str) -> Path:
    """The library made of a source, kept until the run ends. Raises: RuntimeError where no C compiler makes it."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise RuntimeError(f"{source} needs a C compiler: apt-get install gcc")
    library = Path(tempfile.mkdtemp(dir=_folder().name)) / Path(source).with_suffix(".so")  # other flags, another file
    command = [compiler, *flags, "-shared", "-fPIC", str(HERE / source), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{source} does not compile: {done.stderr[-2000:]}")
    return library
