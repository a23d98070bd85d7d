"""Memory and time of reading a large catalogue of masses: python benchmarks/catalogs.py [ROWS].

A file laid out as GSWLC-X2 (24 columns between blanks, no names, -99 for missing values) is made in a temporary folder,
read by another process, and removed. Wanted: 5,000,000 rows in less than 1 GB.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

READ = "read"  # the argument that makes a process the reader


def make_catalogue(path, n_rows, n_different=10_000):
    """Write rows whose ids all differ and whose other columns repeat; every thousandth mass is missing."""
    rng = np.random.default_rng(0)
    ends = []
    for i in range(n_different):
        ra, dec, z, mass = rng.uniform(110, 260), rng.uniform(-5, 65), rng.uniform(0.01, 0.3), rng.normal(10.4, 0.6)
        mass = "-99.000 -99.000" if i % 1000 == 0 else f"{mass:7.3f} {rng.uniform(0.01, 0.1):7.3f}"
        ends.append(
            f" {2412190000000000000 + i} {266 + i % 2000:4d} {51630 + i:5d} {1 + i % 640:3d} {ra:11.6f} {dec:11.6f}"
            f" {z:8.6f} {rng.uniform(0.5, 5):6.2f} {mass}  -0.312   0.071  1.732  0.211  0.843  0.103  0.642  0.081"
            " 0 2 0 1 1\n"
        )
    with path.open("w", encoding="ascii") as file:
        for start in range(0, n_rows, n_different):
            first = 1237648720142401611 + start
            file.write("".join(f"{first + i}{end}" for i, end in enumerate(ends[: n_rows - start])))


def read(path):
    """Read the file, check it and print what it took."""
    from gzmass.catalogs import read_stellar_mass  # noqa: PLC0415  its memory counts, that of the maker does not

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    table, set_aside, _ = read_stellar_mass(path, "gswlc")
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    n = len(table)
    if not (table["id"].to_numpy() == 1237648720142401611 + np.arange(n)).all() or len(set_aside):
        raise SystemExit("the ids have changed")
    print(f"{n:,} rows, {len(table.columns)} columns, {table['log_mstar'].isna().sum():,} masses missing")
    print(f"{seconds:.1f} s, {n / seconds:,.0f} rows/s")
    print(f"most memory {peak / 2**10:.0f} MiB = {peak * 2**10 / 1e9:.2f} GB, {before / 2**10:.0f} MiB of it imports")


def main(n_rows):
    """Make the file and read it in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "GSWLC-X2.dat"
        make_catalogue(path, n_rows)
        print(f"file of {path.stat().st_size / 1e9:.2f} GB")
        subprocess.run([sys.executable, __file__, READ, str(path)], check=True)  # noqa: S603  this file itself


if __name__ == "__main__":
    if sys.argv[1:2] == [READ]:
        read(sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000)
