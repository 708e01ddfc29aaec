"""Tables of rows that are learned."""

from __future__ import annotations

from typing import Self

import flambeau as fl
from flambeau.nn import functional, init
from flambeau.nn.module import Module
from flambeau.nn.parameter import Parameter


class Embedding(Module):
    """Rows by their numbers: indices (...) -> (..., embedding_dim). Rows begin normally distributed.

    The row padding_idx begins as zeros and gets no gradient. max_norm, norm_type, scale_grad_by_freq, sparse: see
    functional.embedding.

    >>> Embedding(10, 3)(fl.tensor([[1, 2], [4, 9]])).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> None:
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(f"Embedding: padding_idx is {padding_idx}; there are {num_embeddings} rows")
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.weight = Parameter(fl.zeros((num_embeddings, embedding_dim)))
        init.normal_(self.weight)
        if padding_idx is not None:
            with fl.no_grad():
                self.weight[padding_idx] = fl.zeros(embedding_dim)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: fl.Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """A table of these rows, which are learned further unless `freeze`."""
        if embeddings.ndim != 2:
            raise fl.ShapeError(f"Embedding: embeddings are {tuple(embeddings.shape)}; they must be (rows, features)")
        table = cls(embeddings.shape[0], embeddings.shape[1], padding_idx, max_norm, norm_type, scale_grad_by_freq,
                    sparse)
        table.weight = Parameter(embeddings, requires_grad=not freeze)
        return table

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.embedding(x, self.weight, self.padding_idx, self.max_norm, self.norm_type,
                                    self.scale_grad_by_freq, self.sparse)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        longest = "" if self.max_norm is None else f", max_norm={self.max_norm}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{longest}"
