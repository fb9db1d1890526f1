"""Kernels of the `triton` backend, for CUDA devices; with TRITON_INTERPRET=1 they run, slowly, on a CPU.

No kernel waits for the host. What is known on the device alone, how many spikes there are, sizes buffers through
`snn_zo.ops.triton.capacity`. Lanes of a program run over neurons, programs over samples and chunks of time.
"""
