"""Sequences of different lengths: padded to the longest, or packed step by step without the padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import flambeau as fl
from flambeau import _core


class PackedSequence(NamedTuple):
    """Sequences packed by time: of each step the elements of those sequences that are that long, longest first.

    data is (sum of lengths, ...); batch_sizes (longest,) counts the sequences at each step; sorted_indices says which
    sequence came to each place, unsorted_indices where each went (None: they were in order). Made by
    pack_padded_sequence.
    """

    data: fl.Tensor
    batch_sizes: fl.Tensor
    sorted_indices: fl.Tensor | None = None
    unsorted_indices: fl.Tensor | None = None

    def to(self, target: _core.Device | _core.DType | str) -> PackedSequence:
        """The data on another device or in another dtype; on a device the indices come along."""
        if isinstance(target, _core.DType):
            return self._replace(data=self.data.to(target))
        indices = [None if x is None else x.to(target) for x in (self.sorted_indices, self.unsorted_indices)]
        return PackedSequence(self.data.to(target), self.batch_sizes, *indices)


def pack_padded_sequence(
    input: fl.Tensor,
    lengths: fl.Tensor | Sequence[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Pack padded sequences (longest, n, ...), or (n, longest, ...) with batch_first.

    enforce_sorted: the lengths must fall; otherwise sequences are sorted, and come back in their order.

    >>> packed = pack_padded_sequence(fl.tensor([[1.0, 4.0], [2.0, 0.0]]), [2, 1])
    >>> packed.data.tolist(), packed.batch_sizes.tolist()
    ([1.0, 4.0, 2.0], [2, 1])
    """
    if input.ndim < 2:
        raise fl.ShapeError(f"pack_padded_sequence: the input is {tuple(input.shape)}; it must be (longest, n, ...)")
    n, longest = (input.shape[0], input.shape[1]) if batch_first else (input.shape[1], input.shape[0])
    sizes = [int(x) for x in (lengths.tolist() if isinstance(lengths, fl.Tensor) else lengths)]
    if len(sizes) != n or not all(0 < size <= longest for size in sizes):
        raise ValueError(f"pack_padded_sequence: lengths are {sizes}; there must be {n}, each from 1 to {longest}")
    order = sorted(range(n), key=lambda i: -sizes[i])
    if enforce_sorted and sizes != [sizes[i] for i in order]:
        raise ValueError(f"pack_padded_sequence: lengths {sizes} do not fall; pass enforce_sorted=False, and they are "
                         "sorted for you")
    steps = [sum(size > t for size in sizes) for t in range(max(sizes))]
    rows = [order[i] * longest + t if batch_first else t * n + order[i]
            for t, count in enumerate(steps) for i in range(count)]
    flat = fl.reshape(input, (n * longest, *input.shape[2:]))
    data = fl.take(flat, fl.tensor(rows, device=input.device), axis=0)
    back = sorted(range(n), key=order.__getitem__)
    index = None if enforce_sorted else fl.tensor(order, device=input.device)
    return PackedSequence(data, fl.tensor(steps), index,
                          None if enforce_sorted else fl.tensor(back, device=input.device))


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[fl.Tensor, fl.Tensor]:
    """The padded sequences and their lengths, in the order in which they were packed.

    >>> packed = pack_padded_sequence(fl.tensor([[1.0, 4.0], [2.0, 0.0]]), [2, 1])
    >>> [x.tolist() for x in pad_packed_sequence(packed, padding_value=-1.0)]
    [[[1.0, 4.0], [2.0, -1.0]], [2, 1]]
    """
    steps = sequence.batch_sizes.tolist()
    n, longest = steps[0], len(steps) if total_length is None else total_length
    if longest < len(steps):
        raise ValueError(f"pad_packed_sequence: total_length is {total_length} and the longest sequence {len(steps)}")
    data = sequence.data
    place = list(range(n)) if sequence.unsorted_indices is None else sequence.unsorted_indices.tolist()
    starts = [sum(steps[:t]) for t in range(len(steps))]
    empty = data.shape[0]

    def row(i: int, t: int) -> int:
        return starts[t] + place[i] if t < len(steps) and place[i] < steps[t] else empty

    rows = ([row(i, t) for i in range(n) for t in range(longest)] if batch_first
            else [row(i, t) for t in range(longest) for i in range(n)])
    padding = fl.full((1, *data.shape[1:]), padding_value, dtype=data.dtype, device=data.device)
    flat = fl.take(fl.concat([data, padding]), fl.tensor(rows, device=data.device), axis=0)
    lengths = [sum(place[i] < count for count in steps) for i in range(n)]
    shape = (n, longest) if batch_first else (longest, n)
    return fl.reshape(flat, (*shape, *data.shape[1:])), fl.tensor(lengths)


def pad_sequence(
    sequences: Sequence[fl.Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> fl.Tensor:
    """Tensors of different first size side by side: (longest, n, ...), or (n, longest, ...) with batch_first.

    >>> pad_sequence([fl.tensor([1.0, 2.0]), fl.tensor([3.0])], batch_first=True).tolist()
    [[1.0, 2.0], [3.0, 0.0]]
    """
    if padding_side not in ("right", "left"):
        raise ValueError(f'pad_sequence: padding_side is {padding_side!r}; it is "right" or "left"')
    if not sequences:
        raise ValueError("pad_sequence: there are no sequences")
    longest = max(x.shape[0] for x in sequences)
    padded = []
    for x in sequences:
        missing = longest - x.shape[0]
        if missing:
            padding = fl.full((missing, *x.shape[1:]), padding_value, dtype=x.dtype, device=x.device)
            x = fl.concat([x, padding] if padding_side == "right" else [padding, x])
        padded.append(x)
    return fl.stack(padded, axis=0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: fl.Tensor, lengths: fl.Tensor | Sequence[int], batch_first: bool = False
) -> list[fl.Tensor]:
    """The sequences without their padding."""
    sizes = lengths.tolist() if isinstance(lengths, fl.Tensor) else lengths
    return [padded_sequences[i, :size] if batch_first else padded_sequences[:size, i] for i, size in enumerate(sizes)]


def pack_sequence(sequences: Sequence[fl.Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack tensors of different first size."""
    return pack_padded_sequence(pad_sequence(sequences), [x.shape[0] for x in sequences],
                                enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[fl.Tensor]:
    """The sequences, in the order in which they were packed."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences))
