"""Imports between the files of the package; their order is a contract in pyproject.toml, which `make lint` checks."""

from graphlib import TopologicalSorter

import pytest

grimp = pytest.importorskip("grimp")


def test_files_import_each_other_in_no_circle():
    """Packages count as files too, and so do imports within functions and for types only."""
    graph = grimp.build_graph("snn_zo", cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert imports["snn_zo.report.comparison"] >= {"snn_zo.report.runs", "snn_zo.report.variants"}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the files
