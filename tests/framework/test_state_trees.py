"""States of a training run in one file: nested, with numbers and words, and back as they were; and trees that lie."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import flambeau as fl
import pytest
from flambeau import nn, optim, safetensors, state_trees
from flambeau.data import DataLoader, TensorDataset
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"))
KEYS = st.text(st.characters(codec="utf-8"), max_size=4).filter(lambda key: key != "__metadata__") | st.integers()
TENSORS = st.integers(0, 9).map(lambda n: fl.tensor([n, n + 1]))
TREES = st.recursive(
    LEAVES | TENSORS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=8,
)


def plain(tree: Any) -> Any:
    """The tree with lists in the place of tensors, which `==` would compare element by element."""
    if isinstance(tree, fl.Tensor):
        return ("tensor", tree.dtype, tree.tolist())
    if isinstance(tree, dict):
        return {key: plain(part) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(plain(part) for part in tree)
    return (type(tree), tree)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES)
@example(tree={0: fl.ones(2)})
@example(tree={"": {"": fl.ones(2)}, "value": fl.zeros(1)})
def test_what_is_saved_comes_back_with_its_types(tmp_path: Path, tree: Any) -> None:
    fl.save(tree, tmp_path / "tree")
    for mmap in (False, True):
        assert plain(fl.load(tmp_path / "tree", mmap=mmap)) == plain(tree)


def test_a_run_goes_on_from_one_file_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    x, y = fl.random.normal((40, 3)), fl.random.normal((40, 1))

    def run() -> dict[str, Any]:
        fl.manual_seed(3)
        net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        optimizer = optim.AdamW(net.parameters(), lr=0.1)
        warm = optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=2)
        cosine = optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)
        return {"net": net, "optimizer": optimizer, "loader": DataLoader(TensorDataset(x, y), 8, shuffle=True, seed=5),
                "schedule": optim.lr_scheduler.SequentialLR(optimizer, [warm, cosine], [2]),
                "plateau": optim.lr_scheduler.ReduceLROnPlateau(optimizer), "scaler": fl.amp.GradScaler()}

    def train(run: dict[str, Any], steps: int) -> list[float]:
        losses = []
        for inputs, targets in run["loader"]:
            loss = nn.functional.mse_loss(run["net"](inputs), targets)
            run["optimizer"].zero_grad()
            run["scaler"].scale(loss).backward()
            run["scaler"].step(run["optimizer"])
            run["scaler"].update()
            run["schedule"].step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
        return losses

    whole = train(run(), 5)
    first = run()
    begun = train(first, 2)
    states = {name: part.state_dict() for name, part in first.items()}
    fl.save({"epoch": 0, "best": math.inf, **states}, tmp_path / "run")
    second = run()
    saved = fl.load(tmp_path / "run")
    for name, part in second.items():
        part.load_state_dict(saved[name])
    assert begun + train(second, 3) == whole
    assert (saved["epoch"], saved["best"]) == (0, math.inf)


def test_other_readers_see_the_tensors_by_their_paths(tmp_path: Path) -> None:
    fl.save({"a.b": fl.ones(1), "a": {"b": fl.zeros(2)}, "rest": [1, (fl.zeros(3),)]}, tmp_path / "tree", {"by": "me"})
    with safetensors.safe_open(tmp_path / "tree") as file:
        names = file.keys()
        assert {name: file.get_tensor(name).size for name in names} == {"a.b": 1, "a.b_": 2, "rest.1.0": 3}
        assert file.metadata()["by"] == "me"


def test_a_flat_state_stays_the_formats_own(tmp_path: Path) -> None:
    fl.save({"w": fl.ones(1)}, tmp_path / "flat", {state_trees.ENTRY: "of a file that was read"})
    assert safetensors.load_metadata(tmp_path / "flat") == {}
    assert list(fl.load(tmp_path / "flat")) == ["w"]


@pytest.mark.parametrize(("tree", "message"), [
    ({"net": nn.Linear(1, 1)}, r"net is a Linear; .* its state_dict\(\)"),
    ({"f": [print]}, "f.0 is a builtin_function_or_method"),
    ({(1, 2): 3}, r"the state has the key \(1, 2\)"),
    (object(), "the state is a object"),
])  # fmt: skip
def test_what_cannot_be_saved_is_named_and_nothing_is_written(tmp_path: Path, tree: Any, message: str) -> None:
    (tmp_path / "tree").write_bytes(b"as it was")
    with pytest.raises(TypeError, match=message):
        fl.save(tree, tmp_path / "tree")
    assert (tmp_path / "tree").read_bytes() == b"as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_a_tree_that_holds_itself_is_refused(tmp_path: Path) -> None:
    tree: list[Any] = []
    tree.append(tree)
    with pytest.raises(ValueError, match="does it hold itself"):
        fl.save(tree, tmp_path / "tree")


LIES = [
    ("", "no JSON"),
    ("[1]", "where a value belongs"),
    ("NaN", "NaN, which is no JSON"),
    ('{"tensor": "v"}', "where a value belongs"),
    ('{"tensor": ["w"]}', "where a value belongs"),
    ('{"tensor": "w", "list": []}', "where a value belongs"),
    ('{"dict": [["a"]]}', "where a value belongs"),
    ('{"dict": [[[], 1]]}', "neither a word nor a whole number"),
    ('{"dict": [[true, 1]]}', "neither a word nor a whole number"),
    ('{"float": "1"}', "where a value belongs"),
    ('{"module": "os"}', "where a value belongs"),
    ('{"list":[' * 300 + "]}" * 300, "nested too deeply"),
    ('{"list":[' * 100_000 + "]}" * 100_000, "nested too deeply"),
    ("9" * 5000, "not a sound safetensors file"),
]


def with_tree(text: str) -> bytes:
    """A sound file of one tensor, w, with this tree."""
    metadata = {state_trees.ENTRY: text}
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"__metadata__": metadata, "w": entry}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


@pytest.mark.parametrize(("text", "message"), LIES, ids=range(len(LIES)))
def test_trees_that_are_not_sound_are_a_value_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "lies").write_bytes(with_tree(text))
    with pytest.raises(ValueError, match=message):
        fl.load(tmp_path / "lies")


def test_a_file_of_torch_save_names_its_reader(tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(b"PK\x03\x04" + bytes(30))
    with pytest.raises(ValueError, match=r"fl\.load_pt reads those of torch\.save"):
        fl.load(tmp_path / "net.pt")
