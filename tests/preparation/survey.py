"""A survey of six galaxies with its catalogues, as an astronomer has them."""

import numpy as np
import pandas as pd
from astropy.io import fits

from gzmass.tree import load_tree

FIRST = 1237648721789256091
N = 6
IDS = FIRST + np.arange(N)
GSWLC = 24

MASSES = {
    "file": "masses.csv",
    "id": "objid",
    "columns": {"log_mstar": "mass", "log_mstar_err": "err", "redshift": "z"},
}
OF_IMAGES = {"band": "g", "colour_band": "i", "colour_pattern": "{id}-i.fits"}


def write_survey(path):
    """Write six images of 24 px, a list of their galaxies, and tables that belong to them in every way there is."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:24, :24] - 11.5
    (path / "fits").mkdir()
    for i in IDS:
        for band, flux in {"g": 50.0, "i": 120.0}.items():
            image = flux * np.exp(-np.hypot(x, y) / 1.5) + rng.normal(0, 0.2, x.shape)
            hdu = fits.PrimaryHDU(image.astype(np.float32))
            hdu.header["BUNIT"] = "nanomaggy"
            hdu.writeto(path / "fits" / f"{i}-{band}.fits")
    ra, dec = 150 + 0.01 * np.arange(N), 2 + 0.02 * np.arange(N)
    galaxies = pd.DataFrame({"objid": IDS, "ra": ra, "dec": dec, "r90": 3.0, "dr8": IDS + 1000})
    galaxies.to_csv(path / "galaxies.csv", index=False)
    galaxies[["objid", "dr8"]].to_csv(path / "names.csv", index=False)
    masses = pd.DataFrame({"objid": IDS, "mass": 10.0 + 0.1 * np.arange(N), "err": 0.05, "z": 0.05})
    masses.loc[2, "mass"] = -99
    masses.to_csv(path / "masses.csv", index=False)
    masses.assign(ml=0.3).to_csv(path / "ratios.csv", index=False)
    rows = np.full((N, GSWLC), -99.0)
    rows[:, 5], rows[:, 6], rows[:, 7] = ra + 0.3 / 3600, dec, 0.05
    rows[:, 9], rows[:, 10] = 10 + 0.1 * np.arange(N), 0.03
    rows[4, 9] = -99
    lines = [f"{objid} {' '.join(f'{v:.10g}' for v in row[1:])}" for objid, row in zip(IDS + 7, rows, strict=True)]
    (path / "gswlc.dat").write_text("\n".join(lines) + "\n")
    stems = load_tree("gz2").stems
    votes = pd.DataFrame({"dr7objid": IDS + 1000, "ra": ra, "dec": dec, "total_classifications": 40})
    votes = pd.concat([votes, pd.DataFrame({f"{stem}_count": 5.0 for stem in stems}, index=votes.index)], axis=1)
    votes.to_csv(path / "gz2.csv", index=False)
