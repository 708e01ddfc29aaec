/* mkl_stub.c: preloaded under PyTorch, it tells MKL to take its fast path on processors of other makers. */
int mkl_serv_intel_cpu_true(void) { return 1; }
