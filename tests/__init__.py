"""The tests import what they share by its full name, as tests.ops.oracle."""
