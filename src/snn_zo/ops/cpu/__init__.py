"""Compiled loops of the `cpu` backend: numba, without the interpreter lock, in threads over samples or columns.

Every sum is taken in an order of its own, whatever the number of threads: results are the same for any.

Loops take what belongs together in a named tuple, and take it apart before they begin: an array that is taken out of a
tuple, or handed to another function, within the loop over time costs two atomic operations each time.
"""
