"""Ops that came after WebGPU's kernels and the vendor's sample: devices without them say so, and the CPU may step in."""

WITHOUT_KERNELS = {
    *("argsort", "sort", "argtop", "topk", "searchsorted", "nonzero", "put", "scatter", "join_indices"),
    *("cumulative_sum", "cumulative_prod", "linear_recurrence"),
}
