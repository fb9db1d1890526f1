"""On a GPU the reference will do: event counts and a gather at the active elements, which wait for nothing."""

from snn_zo.ops.spike_count_penalty.reference import spike_count_penalty

__all__ = ["spike_count_penalty"]
