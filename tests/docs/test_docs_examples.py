"""Every Python block of docs/ that is marked ``<!-- runnable -->`` runs; the blocks of a page share names."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^<!-- runnable -->\n```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def runnable(page):
    """Blocks of a page, each after as many empty lines as stand above it: errors name the right line."""
    text = page.read_text(encoding="utf-8")
    return ["\n" * text[: match.start(1)].count("\n") + match.group(1) for match in BLOCK.finditer(text)]


PAGES = [page for page in sorted(DOCS.rglob("*.md")) if runnable(page)]


def test_every_mark_belongs_to_a_python_block():
    for page in DOCS.rglob("*.md"):
        assert page.read_text(encoding="utf-8").count("<!-- runnable -->") == len(runnable(page)), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for block in runnable(page):
        exec(compile(block, str(page), "exec"), names)  # noqa: S102 - our own documentation
    if page.stem == "tree_and_losses":
        assert names["joint"].tolist()[0] == pytest.approx([1 / 2, 1 / 2, 1 / 6, 1 / 6, 1 / 6], rel=1e-5)
        assert abs(names["tree"].question_sums(names["probability"]) - 1).max() < 1e-5
