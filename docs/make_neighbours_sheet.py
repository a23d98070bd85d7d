"""Make docs/images/neighbours.png: SDSS galaxies in g before (above) and after (below) neighbours are filled.

python docs/make_neighbours_sheet.py [--data ../shared/data/sdss_g_mass] [OUT.png]

The folder holds one FITS image a galaxy, <objid>-g.fits; without it nothing is made.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from gzmass.images import fill_neighbours, read_image, resample, stretch

NPIX, COLUMNS, GAP = 140, 10, 4
GREY_STEP = 8  # coarser grey levels, which are enough to look at, make a smaller file
DATA = Path(__file__).parents[2] / "shared" / "data" / "sdss_g_mass"


def pair(path):
    """One galaxy before and after, one above the other, each with its own stretch; shape (2 NPIX + 1, NPIX)."""
    before = read_image(path)
    after, _ = fill_neighbours(before)
    grey = [stretch(resample(pixels, NPIX))[0] // GREY_STEP * GREY_STEP for pixels in (before, after)]
    return np.vstack([grey[0], np.full((1, NPIX), 128, np.uint8), grey[1]])


def main():
    """Draw and write."""
    default = Path(__file__).parent / "images" / "neighbours.png"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, default=default)
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    paths = sorted(arguments.data.glob("*-g.fits"))
    if not paths:
        print(f"no *-g.fits in {arguments.data}: nothing made")
        return
    rows = -(-len(paths) // COLUMNS)
    height = 2 * NPIX + 1
    sheet = np.full((rows * (height + GAP) - GAP, COLUMNS * (NPIX + GAP) - GAP), 255, np.uint8)
    for number, path in enumerate(paths):
        row, column = divmod(number, COLUMNS)
        top, left = row * (height + GAP), column * (NPIX + GAP)
        sheet[top : top + height, left : left + NPIX] = pair(path)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(arguments.out, optimize=True)
    print(f"wrote {arguments.out} ({arguments.out.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
