"""Compiled loops of the `cpu` backend: numba, without the interpreter lock, in threads over samples or columns.

Every sum is taken in an order of its own, whatever the number of threads: results are the same for any.
"""
