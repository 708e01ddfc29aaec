"""Connectionist temporal classification: the loss of a sequence whose places in time are unknown."""

from __future__ import annotations

from collections.abc import Sequence

import flambeau as fl
from flambeau.autograd.precision import in_float32
from flambeau.nn.functional.loss import Reduction, check_reduction

_NEVER = -1e30  # the logarithm of what cannot be; finite, so that differences of two such are 0 and not NaN


@in_float32
def ctc_loss(
    log_probs: fl.Tensor,
    targets: fl.Tensor,
    input_lengths: fl.Tensor | Sequence[int],
    target_lengths: fl.Tensor | Sequence[int],
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> fl.Tensor:
    """The negative logarithm of the probability of all the ways in which the targets can be spread over time.

    Shapes: log_probs (time, n, classes), or (time, classes); targets (n, longest), or all of them one after the other.
    The mean divides each loss by its target's length first. Targets that do not fit into their time cost inf, or 0 with
    zero_infinity. Source: Graves and others, 2006; the recursion over time is in logarithms.

    >>> log_probs = fl.log(fl.full((2, 1, 2), 0.5))
    >>> round(ctc_loss(log_probs, fl.tensor([[1]]), [2], [1], reduction="sum").item(), 4)  # 1 1, 0 1 and 1 0: 3/4
    0.2877
    """
    check_reduction("ctc_loss", reduction)
    alone = log_probs.ndim == 2
    if alone:
        log_probs = fl.expand_dims(log_probs, axis=1)
    if log_probs.ndim != 3:
        raise fl.ShapeError(f"ctc_loss: log_probs is {tuple(log_probs.shape)}; it must be (time, n, classes)")
    time, n, classes = log_probs.shape
    inputs, lengths = _numbers(input_lengths), _numbers(target_lengths)
    labels = _labels(targets, lengths, n, classes, blank)
    if len(inputs) != n or len(lengths) != n or not all(0 < length <= time for length in inputs):
        raise ValueError(f"ctc_loss: input_lengths are {inputs} and target_lengths {lengths} for {n} sequences of at "
                         f"most {time} steps")
    losses = _losses(log_probs, labels, inputs, lengths, blank)
    impossible = losses > -_NEVER / 2
    losses = fl.where(impossible, 0.0 if zero_infinity else float("inf"), losses)
    if reduction == "none":
        return fl.squeeze(losses, axis=0) if alone else losses
    if reduction == "sum":
        return fl.sum(losses)
    sizes = fl.tensor([float(max(length, 1)) for length in lengths], dtype=losses.dtype, device=losses.device)
    return fl.mean(losses / sizes)


def _losses(
    log_probs: fl.Tensor, labels: list[list[int]], inputs: list[int], lengths: list[int], blank: int
) -> fl.Tensor:
    """The forward recursion over the labels with a blank before, between and after them: states (n, 2 longest + 1)."""
    n, longest = len(labels), max(lengths, default=0)
    spread = [[blank] * (2 * longest + 1) for _ in labels]
    for row, label in zip(spread, labels, strict=True):
        row[1 : 2 * len(label) + 1 : 2] = label
    device, dtype = log_probs.device, log_probs.dtype
    # A label may follow the one before it without a blank unless they are the same.
    jumps = [[s >= 2 and row[s] != blank and row[s] != row[s - 2] for s in range(2 * longest + 1)] for row in spread]
    may_jump = fl.tensor(jumps, device=device)
    index = fl.tensor(spread, device=device)
    never = fl.full((n, 2), _NEVER, dtype=dtype, device=device)
    started = fl.tensor([[s == 0 or (s == 1 and length > 0) for s in range(2 * longest + 1)] for length in lengths],
                        device=device)
    alpha = fl.where(started, fl.take_along_axis(log_probs[0], index, axis=1), _NEVER)
    alphas = [alpha]
    for t in range(1, max(inputs)):
        wide = fl.concat([never, alpha], axis=1)
        stay, step, jump = alpha, wide[:, 1:-1], fl.where(may_jump, wide[:, :-2], _NEVER)
        alpha = _log_add(stay, step, jump) + fl.take_along_axis(log_probs[t], index, axis=1)
        alphas.append(alpha)
    # Each sequence ends at its own time, in its last label or the blank behind it.
    ended = fl.stack([alphas[length - 1][row] for row, length in enumerate(inputs)])
    last = fl.tensor([[2 * length, max(2 * length - 1, 0)] for length in lengths], device=device)
    ends = fl.take_along_axis(ended, last, axis=1)
    single = fl.tensor([length == 0 for length in lengths], device=device)
    return -_log_add(ends[:, 0], fl.where(single, _NEVER, ends[:, 1]))


def _log_add(*terms: fl.Tensor) -> fl.Tensor:
    """log of the sum of exp; the largest comes out first and is a constant for the gradient."""
    largest = terms[0].detach()
    for term in terms[1:]:
        largest = fl.maximum(largest, term.detach())
    total = fl.exp(terms[0] - largest)
    for term in terms[1:]:
        total = total + fl.exp(term - largest)
    return fl.log(total) + largest


def _numbers(lengths: fl.Tensor | Sequence[int]) -> list[int]:
    values = lengths.tolist() if isinstance(lengths, fl.Tensor) else list(lengths)
    return values if isinstance(values, list) else [values]


def _labels(targets: fl.Tensor, lengths: list[int], n: int, classes: int, blank: int) -> list[list[int]]:
    values = targets.tolist()
    if targets.ndim == 1:
        starts = [sum(lengths[:i]) for i in range(len(lengths))]
        if sum(lengths) > len(values):
            raise ValueError(f"ctc_loss: target_lengths {lengths} need {sum(lengths)} targets; there are {len(values)}")
        labels = [values[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    elif targets.ndim == 2 and len(values) == n and all(0 <= length <= targets.shape[1] for length in lengths):
        labels = [row[:length] for row, length in zip(values, lengths, strict=True)]
    else:
        raise fl.ShapeError(f"ctc_loss: targets are {tuple(targets.shape)} with lengths {lengths}; they must be ({n}, "
                            "longest) or one after the other")
    if not 0 <= blank < classes or any(not 0 <= label < classes or label == blank for row in labels for label in row):
        raise IndexError(f"ctc_loss: blank is {blank} and each target must be another class, from 0 to {classes - 1}")
    return labels
