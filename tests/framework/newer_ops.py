"""Ops younger than the kernels of WebGPU and of the vendor's sample, which say so; the CPU may step in."""

WITHOUT_KERNELS = {
    *("argsort", "sort", "argtop", "topk", "searchsorted", "nonzero", "put", "scatter", "join_indices"),
    *("cumulative_sum", "cumulative_prod", "linear_recurrence", "adaptive_max_indices"),
    *("solve", "inv", "det", "slogdet", "cholesky", "qr", "cofactors", "eig", "eigh", "svd", "fft", "rfft", "irfft"),
    *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "erf", "expm1", "hypot", "log10"),
    *("log1p", "log2", "logaddexp", "nextafter", "sin", "sinh", "tan"),
    *("adagrad_step", "lion_step", "rmsprop_step", "unscale", "linear_int8"),
    *("elu", "log_sigmoid", "mish", "mish_grad", "product", "product_grad", "softplus"),
}
SAMPLE_WITHOUT_KERNELS = WITHOUT_KERNELS | {
    *("ceil", "conj", "copysign", "isinf", "real", "reciprocal", "round", "signbit", "trunc", "bitwise_and"),
    *("grid_sample", "grid_sample_input_grad", "grid_sample_grid_grad"),
    *("bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "adam_step"),
}
