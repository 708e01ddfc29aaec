"""The type stubs of the public face: `python -m flambeau.optable --stubs` writes them, and a test compares.

`functions.pyi` has each public row of the op table as a function and as a method of Tensor, with its keywords and its
sentence; `__init__.pyi` gathers what `import flambeau` gives, so that a name that is not there is a mistake to mypy.
"""

from __future__ import annotations

import ast
import math
from pathlib import Path

from flambeau import _core, optable, tensor_methods

_FOLDER = Path(__file__).parent
_TYPES = {"bool": "bool", "int": "int", "float": "float", "ints": "Ints", "dtype": "DTypeLike", "text": "str"}
_WIDTH = 120


def stubs() -> dict[Path, str]:
    """The text of each stub by its path."""
    return {_FOLDER / "functions.pyi": functions_stub(), _FOLDER / "__init__.pyi": package_stub()}


def write() -> list[Path]:
    """Write the stubs beside the modules; gives their paths."""
    for path, text in stubs().items():
        path.write_text(text)
    return list(stubs())


def functions_stub() -> str:
    """The functions and methods of the op table's public rows."""
    rows = {row.name: row for row in optable.rows() if row.public}
    lines = [
        '"""The public rows of the op table. Written by `python -m flambeau.optable --stubs`."""',
        "",
        "from collections.abc import Sequence",
        "from typing import type_check_only",
        "",
        "from flambeau._core import DTypeLike, Ints, Operand, Tensor",
        "",
    ]
    for name in tensor_methods.table_functions():
        lines += _definition(rows[name], method=False)
    lines += ["@type_check_only", "class TableMethods:", '    """What Tensor has of the table."""', ""]
    own = tensor_methods.own_methods()
    for name, is_method in sorted(_core.public_ops.items()):
        if is_method and name not in own:
            lines += _definition(rows[name], method=True)
    return "\n".join(lines)


def package_stub() -> str:
    """The names of the package, each from the module that defines it."""
    tree = ast.parse((_FOLDER / "__init__.py").read_text())
    lines = [f'"""{(ast.get_docstring(tree) or "").splitlines()[0]}"""', "",
             "# Written by `python -m flambeau.optable --stubs`.", "from flambeau import _core as _core"]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            lines += [_import(node.module, alias.name) for alias in node.names if not alias.asname]
    lines += [_lazy(name, module) for name, module in _lazy_names(tree)]
    lines += ["", "__array_api_version__: str", "e: float", "inf: float", "nan: float", "newaxis: None", "pi: float",
              "bool: _core.DType", ""]
    return "\n".join(lines)


def _definition(row: optable.Row, *, method: bool) -> list[str]:
    parts = _parameters(row)
    if method:
        parts = ["self", *parts[1:]]
    count = row.output_count
    gives = "Tensor" if count == 1 else f"tuple[{', '.join(['Tensor'] * count)}]" if count else "tuple[Tensor, ...]"
    indent = "    " if method else ""
    line = f"{indent}def {row.name}({', '.join(parts)}) -> {gives}:"
    if len(line) <= _WIDTH:
        return [line, f'{indent}    """{_sentence(row, indent)}"""', ""]
    inner = [f"{indent}    {part}," for part in parts]
    return [f"{indent}def {row.name}(", *inner, f"{indent}) -> {gives}:",
            f'{indent}    """{_sentence(row, indent)}"""', ""]


def _sentence(row: optable.Row, indent: str) -> str:
    """The summary, folded if it is long."""
    words, lines = row.summary.replace("\\", "\\\\").split(" "), [""]
    for word in words:
        if len(lines[-1]) + len(word) > _WIDTH - 16:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return f"\n{indent}    ".join(lines)


def _parameters(row: optable.Row) -> list[str]:
    if row.max_inputs is None:
        parts = ["tensors: Sequence[Tensor]"]
    else:
        parts = []
        # A number may stand for a tensor where another tensor tells its dtype.
        beside = (row.pointwise or row.promotes) and row.max_inputs - row.promote_from > 1
        for i, name in enumerate(row.input_names[: row.max_inputs]):
            kind = "Operand" if beside and i >= row.promote_from else "Tensor"
            parts.append(f"{name}: {kind}" if i < row.min_inputs else f"{name}: {kind} | None = None")
    has_default = any(" = " in part for part in parts)
    for attr in row.attrs:
        kind = _TYPES[attr.kind]
        if attr.required:
            if has_default and "*" not in parts:
                parts.append("*")
            parts.append(f"{attr.keyword}: {kind}")
        else:
            has_default = True
            parts.append(f"{attr.keyword}: {kind} | None = None" if attr.default is None
                         else f"{attr.keyword}: {kind} = {_default(attr.default)}")
    return parts


def _default(value: object) -> str:
    return "..." if isinstance(value, float) and not math.isfinite(value) else repr(value)


def _import(module: str | None, name: str) -> str:
    if module is None:
        return f"from flambeau import {name} as {name}"
    return f"from flambeau.{module} import {name}" + ("" if name == "*" else f" as {name}")


def _lazy_names(tree: ast.Module) -> list[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "_LAZY":
            names: dict[str, str] = ast.literal_eval(node.value)
            return list(names.items())
    raise ValueError("stubs: __init__.py has no _LAZY any more")


def _lazy(name: str, module: str) -> str:
    return _import(None if module == "." + name else module[1:], name)
