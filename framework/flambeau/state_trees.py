"""Nested states in a flat file: a tree of dicts, lists, numbers and words, its tensors by name and the rest as JSON.

The JSON is an object with one entry for each kind: {"tensor": name}, {"dict": [[key, value], ...]}, {"list": [...]},
{"tuple": [...]}, {"float": "nan"}; numbers, words, truth values and null stand for themselves.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ._core import Tensor

ENTRY = "flambeau.tree"  # the text in a file's metadata
_UNWRITTEN = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}  # floats that JSON has no words for
_DEEPEST = 100


def is_flat(tree: object) -> bool:
    """Whether it is what the format holds by itself: a mapping from words to tensors."""
    return isinstance(tree, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in tree.items()
    )


def taken_apart(tree: object) -> tuple[dict[str, Tensor], str]:
    """The tensors by name, which is the path to them, and the rest as text.

    Raises: TypeError that names the place, for what is no tensor, number, word, None, dict, list or tuple of these.

    >>> import flambeau as fl
    >>> tensors, text = taken_apart({"step": 3, "net": {"weight": fl.ones(2)}})
    >>> list(tensors), text
    (['net.weight'], '{"dict":[["step",3],["net",{"dict":[["weight",{"tensor":"net.weight"}]]}]]}')
    """
    tensors: dict[str, Tensor] = {}
    return tensors, json.dumps(_written(tree, "", tensors, 0), ensure_ascii=False, separators=(",", ":"))


def _written(value: Any, path: str, tensors: dict[str, Tensor], depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"save: {path[:80]}... is nested more than {_DEEPEST} deep; does it hold itself?")
    if isinstance(value, Tensor):
        name = path or "value"
        while name in tensors:  # {"a.b": x, "a": {"b": y}}
            name += "_"
        tensors[name] = value
        return {"tensor": name}
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float, str):  # NumPy's float64 is a float, an IntEnum an int: they come back as those
        if isinstance(value, kind):
            plain = kind(value)
            return {"float": str(plain)} if isinstance(plain, float) and not math.isfinite(plain) else plain
    if isinstance(value, Mapping):
        if strange := [key for key in value if type(key) not in (str, int)]:
            raise TypeError(f"save: {path or 'the state'} has the key {strange[0]!r}; keys are words or whole numbers")
        return {"dict": [[key, _written(part, _join(path, key), tensors, depth + 1)] for key, part in value.items()]}
    if type(value) in (list, tuple):
        parts = [_written(part, _join(path, place), tensors, depth + 1) for place, part in enumerate(value)]
        return {type(value).__name__: parts}
    raise TypeError(f"save: {path or 'the state'} is a {type(value).__name__}; tensors, numbers, words, None, and "
                    "dicts, lists and tuples of them are saved (of a layer or an optimizer its state_dict())")


def put_together(tensors: Mapping[str, Tensor], text: str) -> Any:
    """What `taken_apart` took apart.

    Raises: ValueError with what is wrong, for every text that is not sound.
    """
    def no_constant(word: str) -> Any:
        raise ValueError(f"its tree has {word}, which is no JSON")

    try:
        return _read(json.loads(text, parse_constant=no_constant), tensors, 0)
    except RecursionError:
        raise ValueError("its tree is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"its tree is no JSON: {error}") from None


def _read(node: Any, tensors: Mapping[str, Tensor], depth: int) -> Any:
    if depth > 2 * _DEEPEST:
        raise ValueError("its tree is nested too deeply")
    if node is None or isinstance(node, bool | int | float | str):
        return node
    if not isinstance(node, dict) or len(node) != 1:
        raise ValueError(f"its tree has {str(node)[:80]} where a value belongs")
    ((kind, held),) = node.items()
    if kind == "tensor" and isinstance(held, str) and held in tensors:
        return tensors[held]
    if kind == "float" and isinstance(held, str) and held in _UNWRITTEN:
        return _UNWRITTEN[held]
    if kind in ("list", "tuple") and isinstance(held, list):
        parts = [_read(part, tensors, depth + 1) for part in held]
        return parts if kind == "list" else tuple(parts)
    if kind == "dict" and isinstance(held, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in held):
        if not all(type(key) in (str, int) for key, _ in held):
            raise ValueError("its tree has a key that is neither a word nor a whole number")
        return {key: _read(part, tensors, depth + 1) for key, part in held}
    raise ValueError(f"its tree has {str(node)[:80]} where a value belongs")


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)
