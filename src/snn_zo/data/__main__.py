"""`python -m snn_zo.data describe`."""

from snn_zo.cli import describe

describe()
