"""Opens a page in headless Chromium, at several widths at once, and reports what happened in it."""

import html
import json
import re
import shutil
import subprocess

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=20000",
    "--enable-logging=stderr",
    "--window-size=1300,1000",
]
# stands before everything else in the page, so that no error escapes it
WATCH = """<script>
const errors = [];
addEventListener("error", event => errors.push(String(event.message || event.target.outerHTML).slice(0, 200)), true);
addEventListener("unhandledrejection", event => errors.push(String(event.reason)));
for (const name of ["error", "warn"]) console[name] = (...words) => errors.push(words.join(" "));
</script>"""
# a table is sorted by each of its headings twice; what is told is the text of that column each time
PROBE = """<script>
addEventListener("load", () => {
  const tables = [...document.querySelectorAll("table")].map(table => [...table.tHead.rows[0].cells].map((head, k) => {
    const column = () => [...table.tBodies[0].rows].map(row => row.cells[k].textContent);
    const seen = { name: head.textContent, before: column() };
    for (const way of ["up", "down", "again"]) {
      head.querySelector("button")?.click();
      seen[way] = column();
      seen[way + "_said"] = head.getAttribute("aria-sort");
    }
    return seen;
  }));
  const root = document.documentElement;
  parent.postMessage({
    width: innerWidth, scroll: root.scrollWidth, cut: document.querySelectorAll(".wide.more").length, errors, tables,
    pictures: [...document.images].map(image => [image.alt, image.complete && image.naturalWidth,
      image.getBoundingClientRect().width]),
    drawings: [...document.querySelectorAll("svg")].map(svg => [svg.getAttribute("aria-label"),
      svg.getBoundingClientRect().width, svg.getBoundingClientRect().height]),
    wide: [...document.body.querySelectorAll("*")].filter(e => !e.closest(".wide, svg, pre")
      && e.getBoundingClientRect().right > root.clientWidth + 1).map(e => e.outerHTML.slice(0, 80)),
  }, "*");
});
</script>"""
OUTER = """<!DOCTYPE html><pre id="result"></pre><script>
const found = [];
addEventListener("message", event => {
  found.push(event.data);
  document.getElementById("result").textContent = JSON.stringify(found);
});
</script>"""


def visit(page, folder, widths):
    """What a page looks like to a browser: a dict for each width, in any order of them, and the browser's own log."""
    text = page.read_text(encoding="utf-8")
    watched = text.replace("<head>", f"<head>{WATCH}", 1).replace("</body>", f"{PROBE}</body>", 1)
    (folder / "watched.html").write_text(watched, encoding="utf-8")
    frames = "".join(f'<iframe src="watched.html" style="width:{w}px;height:900px;border:0"></iframe>' for w in widths)
    (folder / "outer.html").write_text(OUTER + frames, encoding="utf-8")
    command = [
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        "--dump-dom",
        (folder / "outer.html").as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    result = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    log = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return {seen["width"]: seen for seen in json.loads(html.unescape(result[1]))}, log
