"""Ops younger than the kernels of WebGPU and of the vendor's sample, which say so; the CPU may step in."""

WITHOUT_KERNELS = {
    *("argsort", "sort", "argtop", "topk", "searchsorted", "nonzero", "put", "scatter", "join_indices"),
    *("cumulative_sum", "cumulative_prod", "linear_recurrence"),
    "convolution", "convolution_input_grad", "convolution_weight_grad", "max_pool", "max_pool_indices",
    "max_pool_grad", "avg_pool", "avg_pool_grad", "adaptive_avg_pool", "adaptive_avg_pool_grad", "adaptive_max_indices",
    *("solve", "inv", "det", "slogdet", "cholesky", "qr", "cofactors", "eig", "eigh", "svd", "fft", "rfft", "irfft"),
    *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "conj", "copysign", "cos", "cosh", "erf"),
    *("expm1", "hypot", "isinf", "log10", "log1p", "log2", "logaddexp", "nextafter", "real", "reciprocal", "round"),
    *("signbit", "sin", "sinh", "tan", "trunc", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_or"),
    *("bitwise_right_shift", "bitwise_xor", "adam_step", "adagrad_step", "lion_step", "rmsprop_step", "unscale"),
    "linear_int8",
}
