"""Compiled loops of the `cpu` backend: numba, without the interpreter lock, in threads over samples or columns.

Every sum is taken in an order that the number of threads has no part in, so results do not depend on it.
"""
