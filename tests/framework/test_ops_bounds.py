"""A kernel just over its bound fails, and one at its bound passes: shown on a device made for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from flambeau import _core
from flambeau.opcases import cases
from flambeau.optable import row

from tests.framework.test_ops_values import assert_within_bound

HERE = Path(__file__).resolve().parent
INCLUDE = HERE.parents[1] / "csrc" / "include"


def load_planted(folder: Path, ulp: int) -> str:
    """Builds and loads a device whose exp is `ulp` off; gives its name."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: apt-get install gcc")
    name = f"planted{ulp}"
    library = folder / f"{name}.so"
    subprocess.run(
        [
            *(compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE}"),
            *(f"-DPLANTED_ULP={ulp}", f'-DPLANTED_NAME="{name}"'),
            *(str(HERE / "planted_backend.c"), "-o", str(library), "-lm"),
        ],
        check=True,
    )
    return str(_core.load_backend(str(library))[0])


def test_a_kernel_at_its_bound_passes_and_one_just_over_fails(tmp_path: Path) -> None:
    exp = row("exp")
    bound = int(exp.ulp["float32"])
    case = next(case for case in cases(exp, "float32", ("plain",)) if case.sample.inputs[0].shape == (1037,))
    assert_within_bound(case, load_planted(tmp_path, bound))
    with pytest.raises(AssertionError, match=rf"exp float32 of \(1037,\), plain: 1037 of 1037 differ.*bound {bound}"):
        assert_within_bound(case, load_planted(tmp_path, bound + 1))
