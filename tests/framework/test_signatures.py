"""Functions, layers, optimizers and data tools take what PyTorch's take, in the same order, with the same defaults."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from typing import Any

import flambeau as fl
import pytest
from flambeau import data, nn, optim
from flambeau.nn import functional

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
pytestmark = pytest.mark.torch

# Parameters of PyTorch's that are left out everywhere, with the reason.
LEFT_OUT = {
    "size_average": "deprecated since 0.4, reduction says it",
    "reduce": "deprecated since 0.4, reduction says it",
    "_stacklevel": "for PyTorch's own warnings",
    "out": "results are new tensors",
    "device": "layers are moved by net.to(device)",
    "dtype": "layers are cast by net.to(dtype)",
    "foreach": "a step is one native call already",
    "fused": "a step is one native call already",
    "capturable": "for CUDA graphs",
    "differentiable": "fl.grad through a written step does it",
    "pin_memory": "for CUDA",
    "pin_memory_device": "for CUDA",
    "multiprocessing_context": "workers= chooses threads or processes",
    "persistent_workers": "threads start at once",
    "in_order": "batches always come in order",
    "multi_avg_fn": "avg_fn is called for each tensor",
    "_weight": "Embedding.from_pretrained",
    "_freeze": "Embedding.from_pretrained",
    "destination": "deprecated",
}
# ... and those of one function or layer.
LEFT_OUT_HERE = {
    ("gumbel_softmax", "eps"): "deprecated, PyTorch does not read it",
    ("Hardtanh", "min_value"): "deprecated name of min_val",
    ("Hardtanh", "max_value"): "deprecated name of max_val",
    ("Adam", "decoupled_weight_decay"): "AdamW",
    ("named_modules", "memo"): "PyTorch's own recursion",
    ("register_forward_hook", "always_call"): "an error goes up and no hook hides it",
    **{
        (name, "remove_duplicate"): "each is given once"
        for name in ("modules", "named_modules", "named_parameters", "named_buffers")
    },
}
# What we add behind PyTorch's.
ADDED = {"seed": "an order that can be gone into again", "workers": "threads or processes"}
# Functions write nothing in place: their layers take `inplace` and give a new tensor.
INPLACE = "inplace"
# Defaults that differ, by (name, parameter).
OTHER_DEFAULTS = {
    ("softmax", "dim"),
    ("softmin", "dim"),
    ("log_softmax", "dim"),  # PyTorch's None guesses, and warns
    ("Softmax", "dim"),
    ("Softmin", "dim"),
    ("LogSoftmax", "dim"),
    ("BatchSampler", "drop_last"),
    ("pop", "key"),  # PyTorch wants it said
    ("random_split", "generator"),
    ("DataLoader", "shuffle"),
    ("DataLoader", "timeout"),
    ("DataLoader", "prefetch_factor"),  # None stands for these
}


def parameters(of: Any) -> list[tuple[str, Any]]:
    """Names and defaults, from the signature, or from the first line of the docstring of a builtin."""
    try:
        found = [
            (p.name, p.default)
            for p in inspect.signature(of).parameters.values()
            if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
    except ValueError:
        found = []
    if found:
        return found
    line = re.search(r"\w+\((input.*?|x1.*?|query.*?)\)\s*->", inspect.getdoc(of) or "", re.DOTALL)
    if line is None:
        return []
    parts = [part.split("=") for part in re.sub(r"[*\s]", "", line[1]).strip(",").split(",")]
    return [(name, _value(rest[0]) if rest else inspect.Parameter.empty) for name, *rest in parts if name]


def _value(text: str) -> Any:
    """A default as it stands in a docstring."""
    try:
        return ast.literal_eval(text)
    except ValueError:
        return text


def differences(name: str, ours: Any, theirs: Any) -> str:
    """What differs between two signatures, "" if nothing does."""
    function = name[0].islower()
    there = [
        (p, d)
        for p, d in parameters(theirs)
        if p not in LEFT_OUT and (name, p) not in LEFT_OUT_HERE and not (function and p == INPLACE)
    ]
    here = [(p, d) for p, d in parameters(ours) if p not in ADDED and p not in LEFT_OUT]
    if not there:
        return ""  # PyTorch does not tell
    if [p for p, _ in here] != [p for p, _ in there]:
        return f"{name}{[p for p, _ in here]} is in PyTorch {[p for p, _ in there]}"
    wrong = [
        f"{name}: {p} is {a!r}, in PyTorch {b!r}"
        for (p, a), (_, b) in zip(here, there, strict=True)
        if (name, p) not in OTHER_DEFAULTS and not _same(a, b)
    ]
    return "; ".join(wrong)


def _same(a: Any, b: Any) -> bool:
    if callable(a) and callable(b) and not isinstance(a, type):
        return bool(a.__name__ == b.__name__)
    return bool(a == b) or (a in (None, ()) and b in (None, ()))


def both(ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    """What has one name in both: the functions and classes."""
    for name in sorted(set(dir(ours)) & set(dir(theirs))):
        own = getattr(ours, name, None)  # None: an error that tells the other way
        if not name.startswith("_") and not inspect.ismodule(own) and callable(own):
            # PyTorch's pools are chosen by return_indices and tell their signature under another name
            yield name, own, getattr(theirs, f"{name}_with_indices", getattr(theirs, name))


NAMESPACES = {
    "nn.functional": (functional, torch.nn.functional),
    "nn": (nn, torch.nn),
    "nn.init": (nn.init, torch.nn.init),
    "nn.utils": (nn.utils, torch.nn.utils),
    "nn.utils.rnn": (nn.utils.rnn, torch.nn.utils.rnn),
    "optim": (optim, torch.optim),
    "optim.lr_scheduler": (optim.lr_scheduler, torch.optim.lr_scheduler),
    "optim.swa_utils": (optim.swa_utils, torch.optim.swa_utils),
    "data": (data, torch.utils.data),
    **{
        kind: (getattr(nn, kind), getattr(torch.nn, kind))
        for kind in ("Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict")
    },
}
PASSED = {"Parameter", "PackedSequence", "Module", "Any", "Callable", "Iterable", "Sequence", "Iterator", "NamedTuple"}


@pytest.mark.parametrize("space", NAMESPACES)
def test_what_has_pytorchs_name_takes_what_it_takes(space: str) -> None:
    found = [
        differences(name, ours, theirs)
        for name, ours, theirs in both(*NAMESPACES[space])
        if name not in PASSED and (space, name) != ("Sequential", "extend")
    ]  # modules, as ModuleList has it
    assert found
    assert [line for line in found if line] == []


def test_a_function_that_is_asked_to_write_in_place_says_how_that_is_written() -> None:
    asked = [
        (name, ours)
        for name, ours, theirs in both(functional, torch.nn.functional)
        if INPLACE in dict(parameters(theirs))
    ]
    assert len(asked) > 15
    for name, ours in asked:
        with pytest.raises(TypeError, match=rf"{name}.*'inplace'.*; a function gives a new tensor; x\[...\] = f\(x\)"):
            ours(fl.ones((2, 3)), *(1.0 for _, default in parameters(ours)[1:] if default is inspect.Parameter.empty),
                 inplace=True)  # fmt: skip


def test_layers_are_called_as_pytorchs() -> None:
    """The first argument is the layer's input and is given by place: its name is free."""
    found = []
    for name, ours, theirs in both(nn, torch.nn):
        if (
            name in PASSED
            or not isinstance(ours, type)
            or not hasattr(theirs, "forward")
            or "List" in name
            or ("Dict" in name)
        ):
            continue
        here, there = parameters(ours.__call__)[2:], parameters(theirs.forward)[2:]
        if [p for p, _ in here] != [p for p, _ in there] or not all(
            _same(a, b) for (_, a), (_, b) in zip(here, there, strict=False)
        ):
            found.append(f"{name}: {here}, in PyTorch {there}")
    assert found == []


# PyTorch's names that are not here, so that a new one is decided on: for other hardware and compilers, deprecated
# names, functions in place, its own insides (typing, dispatch), and what few use. Asked for? Write it, and take it out.
ABSENT = {
    "nn.functional": """
        adaptive_max_pool1d_with_indices adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices
        max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices fractional_max_pool2d_with_indices
        fractional_max_pool3d_with_indices celu_ elu_ hardtanh_ leaky_relu_ relu_ rrelu_ selu_ threshold_
        assert_int_or_pair boolean_dispatch handle_torch_function has_torch_function has_torch_function_unary
        has_torch_function_variadic native_channel_shuffle upsample upsample_bilinear upsample_nearest
        multi_head_attention_forward grouped_mm scaled_grouped_mm scaled_mm linear_cross_entropy conv_tbc
        embedding_bag feature_alpha_dropout fractional_max_pool2d fractional_max_pool3d lp_pool1d lp_pool2d lp_pool3d
        max_unpool1d max_unpool2d max_unpool3d multilabel_margin_loss pdist""",
    "nn": """
        Container DataParallel NLLLoss2d RNNBase RNNCellBase SyncBatchNorm UpsamplingBilinear2d UpsamplingNearest2d
        CrossMapLRN2d UninitializedBuffer UninitializedParameter Buffer LazyBatchNorm1d LazyBatchNorm2d
        LazyBatchNorm3d LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d
        LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d LazyLinear LinearCrossEntropyLoss
        LinearCrossEntropyOptions AdaptiveLogSoftmaxWithLoss EmbeddingBag FeatureAlphaDropout FractionalMaxPool2d
        FractionalMaxPool3d LPPool1d LPPool2d LPPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d MultiLabelMarginLoss
        factory_kwargs""",
    "nn.init": """
        constant dirac eye kaiming_normal kaiming_uniform normal orthogonal sparse uniform xavier_normal
        xavier_uniform""",
    "nn.utils": """
        clip_grad_norm convert_conv2d_weight_memory_format convert_conv3d_weight_memory_format fuse_conv_bn_eval
        fuse_conv_bn_weights fuse_linear_bn_eval fuse_linear_bn_weights skip_init""",
    "nn.utils.rnn": "PackedSequence_ bind copy_method_params invert_permutation",
    "optim": "ASGD Adadelta Adafactor Adamax NAdam RAdam Rprop SparseAdam swap_in_optimizer_params_and_state",
    "optim.lr_scheduler": "ChainedScheduler CyclicLR MultiplicativeLR",
    "optim.swa_utils": "LRScheduler SWALR get_ema_multi_avg_fn get_swa_multi_avg_fn",
    "data": """
        ChainDataset DFIterDataPipe DataChunk DistributedSampler IterDataPipe MapDataPipe StackDataset
        argument_validation default_convert functional_datapipe guaranteed_datapipes_determinism non_deterministic
        runtime_validation runtime_validation_disabled""",
    "Module": """
        compile cuda forward get_extra_state ipu mtia register_backward_hook set_extra_state share_memory to_empty
        type xpu""",
}
ITS_IMPORTS = {
    "Any",
    "Callable",
    "Counter",
    "DType",
    "Iterable",
    "Literal",
    "Optional",
    "ParamSpec",
    "ScalingType",
    "Self",
    "SupportsFloat",
    "SwizzleType",
    "Tensor",
    "TypeVar",
    "TypedDict",
    "cast",
    "deepcopy",
    "override",
    "partial",
    "ref",
    "wraps",
}


@pytest.mark.parametrize("space", ABSENT)
def test_what_is_left_out_was_decided(space: str) -> None:
    ours, theirs = NAMESPACES[space]
    missing = {
        name
        for name in dir(theirs)
        if not name.startswith("_")
        and name not in ITS_IMPORTS
        and callable(getattr(theirs, name))
        and not inspect.ismodule(getattr(theirs, name))
        and not hasattr(ours, name)
    }
    assert missing == set(ABSENT[space].split())
