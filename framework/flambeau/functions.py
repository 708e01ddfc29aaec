"""One function for each public row of the op table: add, sum, matmul, ... Their types stand in functions.pyi."""

from __future__ import annotations

from .tensor_methods import table_functions

_functions = table_functions()
globals().update(_functions)
__all__ = list(_functions)
