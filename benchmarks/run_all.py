"""Run the short form of the benchmarks and write what they print to a Markdown file: make bench.

    python benchmarks/run_all.py [NAME ...] [--out benchmarks/results.md] [--timeout 900]

Every script of this folder that has the option --short is run, in a process of its own, one after the other; with names
(loader, trunks) only these, and the sections of the others stay as they are in the file, if it was made on the
same machine with the same versions. What a script prints with a table in Markdown is taken as it is, other text as a
listing. A script that fails or takes too long has the reason in its section, and the exit code is 1.
"""

import argparse
import datetime as dt
import os
import platform
import re
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

FOLDER = Path(__file__).parent
PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "pandas", "pyarrow", "pillow", "astropy", "photutils")


def processor():
    """Name of the processor, as far as the system tells."""
    file = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", file.read_text(encoding="utf-8")) if file.is_file() else []
    return names[0] if names else platform.processor() or platform.machine()


def accelerators():
    """Names of the GPUs, as nvidia-smi lists them."""
    try:
        command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        found = ""
    return "; ".join(found.splitlines()) or "none"


def preamble():
    """Machine and versions, which all sections share."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"no {package}")
    return (
        "# Benchmarks\n\nMade by `make bench`; README.md in this folder says how to read it and what each script "
        "measures. Ratios were\nmeasured in turns; in brackets are the quartiles over the turns.\n\n"
        f"- Machine: {processor()}, {cores} cores, {memory:.0f} GiB of memory; GPU: {accelerators()}\n"
        f"- Python {platform.python_version()}, {', '.join(versions)}; "
        f"Keras backend {os.environ.get('KERAS_BACKEND', 'tensorflow')}\n"
    )


def earlier_sections(file, head):
    """Sections of a file by name of their script, if it has the same preamble."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if not text.startswith(head):
        return {}
    parts = re.split(r"^## (\S+)\.py: ", text, flags=re.MULTILINE)[1:]
    return {name: f"## {name}.py: {body}" for name, body in zip(parts[::2], parts[1::2], strict=True)}


def run(script, timeout):
    """Run a script in its short form; give its section and whether it went well."""
    title = script.read_text(encoding="utf-8").split('"""')[1].split("\n")[0].rstrip(".")
    command = ["python", f"benchmarks/{script.name}", "--short"]
    begin, started = time.perf_counter(), dt.datetime.now(dt.UTC)
    load = os.getloadavg()[0]
    try:
        done = subprocess.run(  # noqa: S603 a script of this folder
            [sys.executable, *command[1:]],
            cwd=FOLDER.parent,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        printed, failed = done.stdout.strip(), done.returncode != 0
        last = (done.stderr.strip().splitlines() or [""])[-1]
        reason = f"\n\nFailed with exit code {done.returncode}: `{last}`" if failed else ""
    except subprocess.TimeoutExpired:
        printed, failed, reason = "", True, f"Stopped after {timeout} s."
    if printed and not re.search(r"^\|", printed, flags=re.MULTILINE):
        printed = f"```\n{printed}\n```"
    how = f"`{' '.join(command)}`, {started:%Y-%m-%d %H:%M} UTC, {time.perf_counter() - begin:.0f} s"
    busy = f"{load:.1f} other processes wanted a core when it began"
    return f"## {script.stem}.py: {title}\n\n{how}; {busy}.\n\n{printed}{reason}\n\n", not failed


def main():
    """Run and write, after each script, so that an interruption loses one at most."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", help="scripts, without .py")
    options.add_argument("--out", type=Path, default=FOLDER / "results.md")
    options.add_argument("--timeout", type=float, default=900.0, help="seconds for each")
    arguments = options.parse_args()
    scripts = {
        file.stem: file
        for file in sorted(FOLDER.glob("*.py"))
        if file != Path(__file__) and not file.name.startswith("_") and takes_short(file)
    }
    if unknown := set(arguments.names) - set(scripts):
        options.error(f"there is no benchmark {min(unknown)!r} with --short; there are {', '.join(scripts)}")
    head = preamble()
    sections = {name: text for name, text in earlier_sections(arguments.out, head).items() if name in scripts}
    failed = []
    for name in arguments.names or scripts:
        print(f"{name} ...", flush=True)
        sections[name], well = run(scripts[name], arguments.timeout)
        failed += [] if well else [name]
        text = head + "\n" + "".join(sections[known] for known in sorted(sections))
        arguments.out.write_text(text.rstrip() + "\n", encoding="utf-8")
    print(f"{arguments.out}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return int(bool(failed))


def takes_short(file):
    """Whether a script has the option --short, of its own or from `_tables.parser`."""
    text = file.read_text(encoding="utf-8")
    return '"--short"' in text or "parser(__doc__)" in text


if __name__ == "__main__":
    sys.exit(main())
