"""Tensors as text: short, in columns, and numbers that read back."""

from __future__ import annotations

from typing import NamedTuple

from . import _core
from ._core import Tensor


class PrintOptions(NamedTuple):  # a dataclass would cost a fifth of the package's import
    """How tensors are printed: see `set_printoptions`."""

    precision: int = 6
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 120
    sci_mode: bool | None = None


_PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=3, edgeitems=2),
    "full": PrintOptions(threshold=float("inf")),
}
_options = PrintOptions()


def get_printoptions() -> PrintOptions:
    """How tensors are printed now."""
    return _options


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Change how tensors are printed; what is not given stays.

    precision: significant digits of a float. threshold: tensors of more elements are cut to their edges, `edgeitems` at
    each end of an axis. linewidth: characters of a line. profile: "default", "short" or "full" to begin from.
    sci_mode: True writes every float with an exponent, False none (precision is then the digits after the point); by
    default each float has one where that is shorter.
    Raises: ValueError if a number or the profile makes no sense.

    >>> import flambeau as fl
    >>> fl.set_printoptions(precision=3, edgeitems=2, threshold=5)
    >>> fl.tensor([0.123456, 1.0, 2.0, 3.0, 4.0, 5.0])
    tensor([0.123, 1.0, ..., 4.0, 5.0])
    >>> fl.set_printoptions(profile="default")
    """
    global _options
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"set_printoptions: profile is {profile!r}; there are {', '.join(_PROFILES)}")
    for name, number, least in (("precision", precision, 1), ("edgeitems", edgeitems, 1), ("linewidth", linewidth, 10)):
        if number is not None and not (isinstance(number, int) and number >= least):
            raise ValueError(f"set_printoptions: {name} is {number!r} and must be a whole number of at least {least}")
    if threshold is not None and not threshold >= 0:
        raise ValueError(f"set_printoptions: threshold is {threshold} and must be at least 0")
    base = _options if profile is None else _PROFILES[profile]
    _options = PrintOptions(
        base.precision if precision is None else precision,
        base.threshold if threshold is None else threshold,
        base.edgeitems if edgeitems is None else edgeitems,
        base.linewidth if linewidth is None else linewidth,
        base.sci_mode if sci_mode is None else sci_mode,
    )


def tensor_text(x: Tensor) -> str:
    """tensor([[1.0, 2.0]], dtype=..., device=..., requires_grad=True); the parts that are the default are left out.

    >>> import flambeau as fl
    >>> fl.tensor([1.5, 2.0])
    tensor([1.5, 2.0])
    """
    return f"tensor({', '.join([_values(x), *_notes(x)])})"


def format_tensor(x: Tensor, spec: str) -> str:
    """f"{x:.3f}" for a tensor of one element; others take no format."""
    if not spec:
        return tensor_text(x)
    if x.size != 1:
        raise TypeError(f"format: '{spec}' is for one number and the tensor has shape {x.shape}; format x.tolist()")
    return format(x.item(), spec)


def _notes(x: Tensor) -> list[str]:
    notes = []
    if x.dtype not in (_core.float32, _core.int64, _core.bool_, _core.complex64) or x.size == 0:
        notes.append(f"dtype={x.dtype}")
    if str(x.device) != "cpu":
        notes.append(f"device='{x.device}'")
    if x.requires_grad:
        notes.append("requires_grad=True" if x.is_leaf else f"made_by='{x.made_by}'")
    return notes


def _values(x: Tensor) -> str:
    if _core.is_batched(x):
        return f"<one example of a vmap>, shape={x.shape}"
    if not x._has_value:
        return f"<recorded, no value yet>, shape={x.shape}"
    if x.size == 0 and x.ndim > 1:
        return f"[], shape={x.shape}"
    parts = _texts(x.detach(), x.size > _options.threshold)
    if isinstance(parts, str):
        return parts
    # Columns help where there are rows; a single row is told by its commas.
    width = max((len(text) for text in _each(parts) if text != "..."), default=0) if x.ndim > 1 else 0
    return _laid_out(parts, width, len("tensor(") + 1)


_Texts = list["_Texts"] | str  # of the elements, nested as they are; "..." for those left out


def _texts(x: Tensor, with_edges: bool) -> _Texts:
    if x.ndim == 0:
        return _number(x.item())
    edge = _options.edgeitems
    if not with_edges or x.shape[0] <= 2 * edge:
        return [_texts(x[i], with_edges) for i in range(x.shape[0])] if x.ndim > 1 else [_number(v) for v in x.tolist()]
    head, tail = _texts(x[:edge], with_edges), _texts(x[-edge:], with_edges)
    return [*head, "...", *tail]


def _each(parts: list[_Texts]) -> list[str]:
    flat: list[str] = []
    for part in parts:
        flat += [part] if isinstance(part, str) else _each(part)
    return flat


def _laid_out(parts: list[_Texts], width: int, indent: int) -> str:
    """The nested texts in brackets, `indent` being the column after the opening one."""
    if any(isinstance(part, list) for part in parts):
        depth, inner = 1, next(part for part in parts if isinstance(part, list))
        while isinstance(inner, list) and inner and isinstance(inner[0], list):
            depth, inner = depth + 1, inner[0]
        rows = [part if isinstance(part, str) else _laid_out(part, width, indent + 1) for part in parts]
        return f"[{(',' + chr(10) * depth + ' ' * indent).join(rows)}]"
    lines, line = [], ""
    for part in parts:
        text = str(part).rjust(0 if part == "..." else width)
        if line and indent + len(line) + 2 + len(text) > _options.linewidth - 2:
            lines.append(line + ",")
            line = text
        else:
            line = f"{line}, {text}" if line else text
    return "[" + ("\n" + " " * indent).join([*lines, line]) + "]"


def _number(value: complex | float | int | bool) -> str:
    if isinstance(value, complex):
        imaginary = _real(value.imag)
        return f"{_real(value.real)}{'' if imaginary[0] in '+-' else '+'}{imaginary}j"
    if not isinstance(value, float):
        return str(value)
    text = _real(value)
    return text if any(c in text for c in ".en") else text + ".0"


def _real(value: float) -> str:
    digits, scientific = _options.precision, _options.sci_mode
    if scientific is None or value in (float("inf"), -float("inf")) or value != value:
        return f"{value:.{digits}g}"
    return f"{value:.{digits - 1}e}" if scientific else f"{value:.{digits}f}"
