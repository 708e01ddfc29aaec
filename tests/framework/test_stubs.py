"""What editors and type checkers know: the stubs are the table's, and a checker finds wrong calls and no others."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import flambeau as fl
import pytest
from flambeau import stubs

PACKAGE = Path(fl.__file__).parent

RIGHT = """
import flambeau as fl
from flambeau import Tensor, nn, optim
from flambeau.data import DataLoader, TensorDataset

def loss_of(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(net(x), y)

net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = optim.AdamW(net.parameters(), lr=1e-3)
for x, y in DataLoader(TensorDataset(fl.zeros((4, 4)), fl.zeros(4, dtype=fl.int64)), batch_size=2):
    loss_of(net, x, y).backward()
    optimizer.step()
a: Tensor = fl.sum(fl.ones((2, 3)), axis=0, keepdims=True)
b: Tensor = a.sin() + 2 * fl.maximum(a, 1.0)
c: float = b.sum(axis=(0, 1)).item()
values, indices = fl.topk(b, 1)
q, r = fl.linalg.qr(fl.eye(3))
d: Tensor = fl.random.normal((2, 2), generator=fl.Generator().manual_seed(1))
with fl.no_grad(), fl.profiler.profile(record_shapes=True) as prof:
    e = fl.einsum("ij,jk->ik", d, d)
text: str = prof.key_averages().table(sort_by="count")
f: Tensor = fl.grad(lambda v: fl.sum(v**3))(fl.tensor([1.0, 2.0]))
shape: tuple[int, ...] = f.shape
bytes_held: int = fl.memory.memory_allocated()
"""

WRONG = """
import flambeau as fl
from flambeau import Tensor

x: Tensor = fl.ones(3)
fl.summ(x)  # attr-defined
fl.sum(x, dim=0)  # call-arg
fl.sum(x, axis="0")  # arg-type
fl.exp("x")  # arg-type
x.sine()  # attr-defined
x.sum(axes=0)  # call-arg
n: int = fl.abs(x)  # assignment
fl.concat(x)  # arg-type
fl.add(x)  # call-arg
fl.random.uniform(3, generator=7)  # arg-type
fl.profiler.profile(record_shape=True)  # call-arg
"""


def test_the_stubs_are_what_the_table_says_now():
    for path, text in stubs.stubs().items():
        assert path.read_text() == text, "write them anew: python -m flambeau.optable --stubs"
    assert (PACKAGE / "py.typed").exists()


def test_every_function_and_method_of_the_stub_is_there_with_its_sentence():
    tree = ast.parse((PACKAGE / "functions.pyi").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    (methods,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert len(functions) > 80
    assert all(callable(getattr(fl, node.name)) and ast.get_docstring(node) for node in functions)
    assert all(callable(getattr(fl.Tensor, node.name)) for node in methods.body if isinstance(node, ast.FunctionDef))


def test_every_name_of_the_package_is_in_its_stub():
    text = (PACKAGE / "__init__.pyi").read_text()
    stars = [__import__(f"flambeau.{name}", fromlist=["x"]) for name in re.findall(r"flambeau\.(\w+) import \*", text)]
    known = set(re.findall(r" as (\w+)$", text, re.M)) | set(re.findall(r"^(\w+): ", text, re.M))
    known |= {name for module in stars for name in module.__all__}
    modules = {name for name in vars(fl) if isinstance(getattr(fl, name), type(re))}
    public = {name for name in vars(fl) if not name.startswith("_")} - modules - {"annotations", "TYPE_CHECKING"}
    assert public <= known


@pytest.mark.slow
def test_a_checker_accepts_a_users_program_and_finds_each_mistake(tmp_path):
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--follow-imports=silent",
        f"--cache-dir={tmp_path / 'cache'}",
        "right.py",
        "wrong.py",
    ]
    told = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"MYPYPATH": str(PACKAGE.parent), "PATH": "/usr/bin:/bin"},
    ).stdout
    errors = re.findall(r"^(\w+)\.py:(\d+): error: .*\[([\w-]+)\]$", told, re.M)
    found = {(name, int(line), kind) for name, line, kind in errors}
    expected = {
        ("wrong", number, line.split("# ")[1])
        for number, line in enumerate(WRONG.splitlines(), start=1)
        if "# " in line
    }
    assert found == expected, told
