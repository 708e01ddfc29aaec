"""Ops younger than the kernels of WebGPU and of the vendor's sample, which say so; the CPU may step in."""

WITHOUT_KERNELS = {
    *("argsort", "sort", "argtop", "topk", "searchsorted", "nonzero", "put", "scatter", "join_indices"),
    *("cumulative_sum", "cumulative_prod", "linear_recurrence"),
    "convolution", "convolution_input_grad", "convolution_weight_grad", "max_pool", "max_pool_indices",
    "max_pool_grad", "avg_pool", "avg_pool_grad", "adaptive_avg_pool", "adaptive_avg_pool_grad", "adaptive_max_indices",
    *("solve", "inv", "det", "slogdet", "cholesky", "qr", "eigh", "svd", "fft", "rfft", "irfft"),
}
