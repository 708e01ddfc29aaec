"""Where PyTorch's names went: an error says how the same thing is written here, by the Python Array API standard.

Each row is a name, PyTorch's way and ours, for tensors x (2, 3) and y (2, 3) of float32, a square matrix m, and
integers i. The tests compute both ways and compare (of what is drawn, the form); docs/from-pytorch.md is this table.
"""

from __future__ import annotations

METHODS = {
    "view": ("x.view(3, 2)", "x.reshape(3, 2)"),
    "flatten": ("x.flatten()", "x.reshape(-1)"),
    "ravel": ("x.ravel()", "x.reshape(-1)"),
    "permute": ("x.permute(1, 0)", "x.permute_dims(1, 0)"),
    "transpose": ("x.transpose(0, 1)", "fl.moveaxis(x, 0, 1)"),
    "t": ("x.t()", "x.T"),
    "unsqueeze": ("x.unsqueeze(0)", "fl.expand_dims(x, axis=0)"),
    "expand": ("x[:1].expand(4, 3)", "fl.broadcast_to(x[:1], (4, 3))"),
    "repeat_interleave": ("x.repeat_interleave(2, dim=0)", "fl.repeat(x, 2, axis=0)"),
    "dim": ("x.dim()", "x.ndim"),
    "numel": ("x.numel()", "x.size"),
    "element_size": ("x.element_size()", "x.dtype.itemsize"),
    "clone": ("x.clone()", "x.copy()"),
    "float": ("i.float()", "i.astype(fl.float32)"),
    "double": ("x.double()", "x.astype(fl.float64)"),
    "half": ("x.half()", "x.astype(fl.float16)"),
    "bfloat16": ("x.bfloat16()", "x.astype(fl.bfloat16)"),
    "long": ("x.long()", "x.astype(fl.int64)"),
    "int": ("x.int()", "x.astype(fl.int32)"),
    "bool": ("x.bool()", "x.astype(fl.bool)"),
    "type": ("x.type(torch.float64)", "x.astype(fl.float64)"),
    "type_as": ("i.type_as(x)", "i.astype(x.dtype)"),
    "cpu": ("x.cpu()", "x.to('cpu')"),
    "clamp": ("x.clamp(-1, 1)", "fl.clip(x, -1, 1)"),
    "norm": ("x.norm()", "fl.linalg.vector_norm(x)"),
    "mm": ("m.mm(m)", "m @ m"),
    "bmm": ("x[None].bmm(m[None])", "x[None] @ m[None]"),
    "mv": ("m.mv(m[0])", "m @ m[0]"),
    "dot": ("m[0].dot(m[1])", "fl.vecdot(m[0], m[1])"),
    "eq": ("x.eq(y)", "x == y"),
    "ne": ("x.ne(y)", "x != y"),
    "lt": ("x.lt(y)", "x < y"),
    "le": ("x.le(y)", "x <= y"),
    "gt": ("x.gt(y)", "x > y"),
    "ge": ("x.ge(y)", "x >= y"),
    "sub": ("x.sub(y)", "x - y"),
    "mul": ("x.mul(y)", "x * y"),
    "div": ("x.div(y)", "x / y"),
    "neg": ("x.neg()", "-x"),
    "masked_fill": ("x.masked_fill(x > 0, 0.0)", "fl.where(x > 0, 0.0, x)"),
    "masked_select": ("x.masked_select(x > 0)", "x[x > 0]"),
    "index_select": ("x.index_select(1, i)", "fl.take(x, i, axis=1)"),
    "gather": ("x.gather(1, x.argsort(dim=1))", "fl.take_along_axis(x, x.argsort(axis=1), axis=1)"),
    "chunk": ("x.chunk(3, dim=1)[2]", "x[:, 2:]"),
    "split": ("x.split(1, dim=0)[1]", "x[1:2]"),
    "unbind": ("x.unbind(0)[1]", "fl.unstack(x, axis=0)[1]"),
    "tril_": ("m.clone().tril_()", "fl.tril(m)"),
    "add_": ("x.clone().add_(1)", "x + 1"),
    "mul_": ("x.clone().mul_(2)", "x * 2"),
    "zero_": ("x.clone().zero_()", "fl.zeros_like(x)"),
    "fill_": ("x.clone().fill_(2.0)", "fl.full_like(x, 2.0)"),
    "copy_": ("x.clone().copy_(y)", "y.copy()"),
    "softmax": ("x.softmax(dim=1)", "fl.nn.functional.softmax(x, dim=1)"),
    "relu": ("x.relu()", "fl.nn.functional.relu(x)"),
    "amax": ("x.amax(dim=1)", "fl.max(x, axis=1)"),
    "amin": ("x.amin(dim=1)", "fl.min(x, axis=1)"),
    "data_ptr": ("x.data_ptr()", "x.numpy().ctypes.data"),
}
FUNCTIONS = {
    "cat": ("torch.cat([x, y])", "fl.concat([x, y])"),
    "from_numpy": ("torch.from_numpy(x.numpy())", "fl.asarray(x.numpy())"),
    "rand": ("torch.rand(2, 3)", "fl.random.uniform((2, 3))"),
    "randn": ("torch.randn(2, 3)", "fl.random.normal((2, 3))"),
    "randint": ("torch.randint(0, 1, (3,))", "fl.random.randint(0, 1, (3,))"),
    "randperm": ("torch.randperm(5)", "fl.random.permutation(5)"),
    "clamp": ("torch.clamp(x, -1, 1)", "fl.clip(x, -1, 1)"),
    "mm": ("torch.mm(m, m)", "fl.matmul(m, m)"),
    "bmm": ("torch.bmm(x[None], m[None])", "fl.matmul(x[None], m[None])"),
    "dot": ("torch.dot(m[0], m[1])", "fl.vecdot(m[0], m[1])"),
    "transpose": ("torch.transpose(x, 0, 1)", "fl.moveaxis(x, 0, 1)"),
    "permute": ("torch.permute(x, (1, 0))", "fl.permute_dims(x, (1, 0))"),
    "unsqueeze": ("torch.unsqueeze(x, 0)", "fl.expand_dims(x, axis=0)"),
    "gather": ("torch.gather(x, 1, x.argsort(dim=1))", "fl.take_along_axis(x, fl.argsort(x, axis=1), axis=1)"),
    "index_select": ("torch.index_select(x, 1, i)", "fl.take(x, i, axis=1)"),
    "masked_select": ("torch.masked_select(x, x > 0)", "x[x > 0]"),
    "flatten": ("torch.flatten(x)", "fl.reshape(x, (-1,))"),
    "div": ("torch.div(x, y)", "fl.divide(x, y)"),
    "mul": ("torch.mul(x, y)", "fl.multiply(x, y)"),
    "sub": ("torch.sub(x, y)", "fl.subtract(x, y)"),
    "neg": ("torch.neg(x)", "fl.negative(x)"),
    "amax": ("torch.amax(x, 1)", "fl.max(x, axis=1)"),
    "amin": ("torch.amin(x, 1)", "fl.min(x, axis=1)"),
    "arctan": ("torch.arctan(x)", "fl.atan(x)"),
    "norm": ("torch.norm(x)", "fl.linalg.vector_norm(x)"),
    "softmax": ("torch.softmax(x, dim=1)", "fl.nn.functional.softmax(x, dim=1)"),
    "relu": ("torch.relu(x)", "fl.nn.functional.relu(x)"),
    "is_tensor": ("torch.is_tensor(x)", "isinstance(x, fl.Tensor)"),
}


class Elsewhere:
    """Stands where PyTorch's tensors have a name and ours do not: reading it tells the other way."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type) -> object:
        raise AttributeError(f"'{owner.__name__}' has no '{self.name}'{told(METHODS, self.name)}")


def told(table: dict[str, tuple[str, str]], name: str) -> str:
    """How what PyTorch calls so is written here; nothing if the table does not know it.

    >>> told(METHODS, "permute")
    ": PyTorch's x.permute(1, 0) is x.permute_dims(1, 0) here (docs/from-pytorch.md)"
    """
    if name not in table:
        return ""
    theirs, ours = table[name]
    return f": PyTorch's {theirs} is {ours} here (docs/from-pytorch.md)"


def markdown() -> str:
    """The table as docs/from-pytorch.md has it."""
    rows = [f"| `{theirs}` | `{ours}` |" for table in (METHODS, FUNCTIONS) for theirs, ours in table.values()]
    return "\n".join(["| PyTorch | here |", "|---|---|", *rows]) + "\n"
