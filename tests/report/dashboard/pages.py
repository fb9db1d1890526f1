"""Pages of the dashboard, and what is in them."""

import json
from html.parser import HTMLParser
from pathlib import Path

from snn_zo.report.comparison import compare
from snn_zo.report.dashboard import write_dashboard
from snn_zo.report.runs import read_runs


def dashboard(*folders: Path) -> Path:
    """The page of these folders, in the first of them."""
    page = folders[0] / "report.html"
    write_dashboard(compare(read_runs(folders)), page)
    return page


class Page(HTMLParser):
    """Elements of a page, with the text right inside each."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))

    def handle_data(self, data):
        if self.elements:
            self.elements[-1][2].append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes, _ in self.elements if found == tag]

    def report(self) -> dict:
        (text,) = ["".join(text) for tag, attributes, text in self.elements if attributes.get("id") == "report"]
        return json.loads(text)
