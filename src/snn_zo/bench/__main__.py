"""`python -m snn_zo.bench`."""

from snn_zo.cli import bench

bench()
