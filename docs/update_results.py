"""Put the tables that experiments have written into a page, between the marks that name them.

    python docs/update_results.py [PAGE]        # by default docs/results.md; from the folder that holds runs/

A table stands between two lines of the page, of which the first names the file that it comes from:

    <!-- table: runs/label_efficiency_real/results.md -->
    <!-- end of table -->

What stands between them is replaced by the file. A file that is missing leaves its table as it is, is named, and the
exit code is 3.
"""

import re
import sys
from pathlib import Path

from gzmass.engine import write_atomically

__all__ = ["update_tables"]

BLOCK = re.compile(r"(^<!-- table: (.+?) -->\n).*?(^<!-- end of table -->$)", flags=re.MULTILINE | re.DOTALL)


def update_tables(page, folder="."):
    """Replace the tables of a page by the files that they come from.

    Parameters
    ----------
    page : str or pathlib.Path
        The Markdown file; rewritten.
    folder : str or pathlib.Path, default "."
        What the names of the files are relative to.

    Returns
    -------
    list of str
        Names of the files that are missing.
    """
    page, missing = Path(page), []

    def replace(block):
        file = Path(folder) / block[2]
        if not file.is_file():
            missing.append(block[2])
            return block[0]
        return f"{block[1]}\n{file.read_text(encoding='utf-8').strip()}\n\n{block[3]}"

    text = BLOCK.sub(replace, page.read_text(encoding="utf-8"))
    with write_atomically(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return missing


if __name__ == "__main__":
    absent = update_tables(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "results.md")
    for name in absent:
        print(f"left as it is, {name} does not exist")
    sys.exit(3 if absent else 0)
