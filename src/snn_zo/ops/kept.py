"""What a scan over time keeps of u, the distance to threshold, for the strategy; numbers, for kernels take no words."""

NOTHING, WINDOW, DRAWN, EVERYTHING = range(4)
"""No element, as in an evaluation; those with |u| < reach; of these, those that their first random word allows to be
active; every element."""

REACH_MARGIN = 1 + 1e-6
"""Factor on the strategy's reach: a scan and the strategy may round |u| differently, and the strategy, which decides in
the end, must not miss an element for that."""

WORDS = 2.0**32
"""Random words: a word w stands for the uniform number 1 - w / 2^32, which lies in (0, 1]."""
