"""The page's scripts: their own tests, run by node, and how they are put together."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from snn_zo.report.dashboard import HERE
from snn_zo.report.dashboard.bundle import bundled

SCRIPTS = HERE / "scripts"
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="needs node in PATH")
@pytest.mark.parametrize("path", sorted(Path(__file__).with_name("scripts").glob("*.test.mjs")), ids=lambda p: p.name)
def test_scripts_pass_their_tests(path):
    result = subprocess.run([str(NODE), "--test", str(path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert re.search(r"^. pass [1-9]", result.stdout, re.MULTILINE)


def test_bundled_has_every_module_once_after_what_it_needs(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "base.mjs").write_text("export const one = 1;\n")
    (tmp_path / "deep" / "sum.mjs").write_text(
        'import { one } from "../base.mjs";\n\nexport function two() {\n  return one + one;\n}\n'
    )
    (tmp_path / "main.mjs").write_text(
        'import { two } from "./deep/sum.mjs";\nimport {\n  one,\n} from "./base.mjs";\n\nshow(one, two());\n'
    )
    expected = '"use strict";\nconst one = 1;\n\n\nfunction two() {\n  return one + one;\n}\n\n\nshow(one, two());\n'
    assert bundled(tmp_path / "main.mjs") == expected


def test_bundled_page_leaves_no_module_and_no_name_out():
    text = bundled(SCRIPTS / "page.mjs")
    assert not re.search(r"^(import|export)\b", text, re.MULTILINE)
    modules = [path.read_text() for path in SCRIPTS.rglob("*.mjs")]
    names = [name for module in modules for name in re.findall(r"^(?:export )?(?:const|function) (\w+)", module, re.M)]
    assert len(names) > 50
    assert sorted(names) == sorted(set(names))
    assert all(re.search(rf"^(?:const|function) {name}\b", text, re.M) for name in names)
