"""Ops younger than the kernels of WebGPU and of the vendor's sample, which say so; the CPU may step in."""

WITHOUT_KERNELS = {
    *("argsort", "sort", "argtop", "topk", "searchsorted", "nonzero", "put", "scatter", "join_indices"),
    *("cumulative_sum", "cumulative_prod", "linear_recurrence"),
}
