"""Writes the files that the tests make by hand into the corpus, from which fuzzing begins."""

from __future__ import annotations

import io
import re

import numpy as np

from tests.framework import test_pickled, test_safetensors, test_state_trees
from tests.fuzz.targets import CORPUS


def write() -> int:
    """One file for each case, named after it; says how many."""
    cases: dict[str, dict[str, bytes]] = {
        "safetensors": {name: content for name, (content, _) in test_safetensors.BAD.items()}
        | {f"tree {i:02} {reason}": test_state_trees.with_tree(text)
           for i, (text, reason) in enumerate(test_state_trees.LIES)}
        | {"tree good": test_state_trees.with_tree('{"dict":[["w",{"tensor":"w"}],[1,{"list":[0.5,null]}]]}')},
        "safetensors_header": {
            name: content[8 : 8 + int.from_bytes(content[:8], "little")]
            for name, (content, _) in test_safetensors.BAD.items()
            if len(content) > 8
        },
        "pt": {"good": test_pickled.GOOD, "cut off": test_pickled.GOOD[:-30]},
        "pt_program": {f"{i:02} {reason}": program for i, (program, reason) in enumerate(test_pickled.HOSTILE)}
        | {
            "good": test_pickled.written({"w": test_pickled.tensor(), "n": (1, 2.5, "x")}),
        },
        "npz": {"good": _npz(a=np.arange(6.0), b=np.array(True)), "cut off": _npz(a=np.arange(6.0))[:-20]},
        "npz_member": {"good": _npy(np.arange(6.0).reshape(2, 3)), "objects": _npy(np.array([{}]))},
    }
    count = 0
    for target, named in cases.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in named.items():
            if len(content) <= 4096:  # what libFuzzer takes
                (folder / re.sub(r"\W+", "-", name.lower()).strip("-")).write_bytes(content)
                count += 1
    print(f"{count} files in {CORPUS}")
    return 0


def _npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()
