"""NumPy's `.npz` files: tensors by name, in an archive of arrays."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping

import flambeau as fl
from flambeau.whole_files import written_whole


def save_npz(tensors: Mapping[str, fl.Tensor], path: str | os.PathLike[str], *, compressed: bool = False) -> None:
    """Write tensors by name, whole or not at all; numpy.load reads the file.

    Raises: DTypeError for bfloat16, which NumPy has not.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.npz"
    >>> save_npz({"x": fl.ones(2)}, path)
    >>> load_npz(path)["x"].tolist()
    [1.0, 1.0]
    """
    import numpy

    arrays = {}
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, fl.Tensor):
            raise TypeError(f"save_npz: {name!r} is a {type(tensor).__name__}; names are words and values tensors")
        arrays[name] = tensor.detach().to("cpu").numpy()
    # Not savez(**arrays): a tensor may be named "file".
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with written_whole(path) as file, zipfile.ZipFile(file, "w", method) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                numpy.lib.format.write_array(member, array, allow_pickle=False)


def load_npz(path: str | os.PathLike[str]) -> dict[str, fl.Tensor]:
    """The tensors of a file by name. Raises: ValueError for anything else, pickled objects among them.

    A file that numpy.savez or savez_compressed wrote is read too.
    """
    import numpy

    with open(path, "rb") as file:
        try:
            if not zipfile.is_zipfile(file):  # else numpy.load takes it for a pickle and advises to read it
                raise ValueError("it is no archive of arrays (a single one, .npy, numpy.load reads), or is cut off")
            file.seek(0)
            with numpy.load(file, allow_pickle=False) as archive:
                return {name: fl.tensor(archive[name]) for name in archive.files}
        except Exception as error:  # a header that Python cannot parse, a member that is encrypted: it can be any
            raise ValueError(f"load_npz: {os.fspath(path)} is not read: {error}") from error
