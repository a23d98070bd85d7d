"""The guides do what they say: their configurations, as they stand, on small stand-ins of what the archives deliver."""

import gzip
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from gzmass.catalogs import log_mass_to_light, rest_frame
from gzmass.cli import main
from gzmass.datasets import open_dataset
from gzmass.tree import load_tree

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
N = 30
DR8 = 1237648721789256091 + np.arange(N)
DR7 = 587722981736120347 + np.arange(N)
POSITIONS = 150 + 0.02 * np.arange(N), 2 + 0.01 * np.arange(N)
TREE = load_tree("gz2")


def commands(page, config):
    """Commands of a page that prepare with a configuration, in words from `prepare` on."""
    text = (DOCS / page).read_text(encoding="utf-8")
    lines = re.findall(rf"^ {{4}}gzmass (prepare {re.escape(config)}.*?)(?: {{2,}}#.*)?$", text, flags=re.MULTILINE)
    # processes make no difference but to the time
    return [[word for word in shlex.split(line) if not word.startswith("workers=")] for line in lines]


def run(words, capsys):
    """Run a command; give the dataset and what was printed."""
    code = main(words)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return open_dataset(printed.out.split("-> ")[-1].strip()), printed.out


def disc(rng, shape, x, y, flux, radius, noise=0.02, axis_ratio=0.6):
    """Exponential disc in linear flux, with noise; its total flux, its scale length in pixels."""
    row, column = np.indices(shape)
    r = np.hypot(column - x, (row - y) / axis_ratio)
    light = flux / (2 * np.pi * axis_ratio * radius**2) * np.exp(-r / radius)
    return (light + rng.normal(0, noise, shape)).astype(np.float32)


def sky_header(ra, dec, x, y, scale):
    """Header with a gnomonic WCS that puts a position on a pixel (from 0), north up."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [x + 1, y + 1]
    wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
    return wcs.to_header()


def hart16(rng):
    """The catalogue of Hart et al. (2016) with its 231 columns, for all galaxies but the last two."""
    counts = np.zeros((N, TREE.n_answers))
    for level in TREE.levels:
        for question in np.atleast_1d(level):
            own = TREE.segment == question
            parents = TREE.parents[question].astype(bool)
            asked = counts[:, parents].sum(axis=1) if parents.any() else np.full(N, 44)
            counts[:, own] = [rng.multinomial(int(n), np.full(own.sum(), 1 / own.sum())) for n in asked]
    fraction = np.nan_to_num(TREE.conditional(counts))
    statistics = {
        "count": counts, "weight": counts * 0.9, "fraction": fraction, "weighted_fraction": fraction,
        "debiased": fraction, "flag": np.zeros_like(counts),
    }  # fmt: skip
    table = {
        "dr7objid": DR7, "ra": POSITIONS[0], "dec": POSITIONS[1], "rastring": "10:00:00.00", "decstring": "+02:00:00.0",
        "sample": "original", "gz2_class": "Sb", "total_classifications": 44, "total_votes": counts.sum(axis=1),
    }  # fmt: skip
    for k, stem in enumerate(TREE.stems):
        table |= {f"{stem}_{name}": values[:, k] for name, values in statistics.items()}
    return pd.DataFrame(table).iloc[:-2]


@pytest.mark.parametrize(
    ("page", "names"),
    [("from_sdss.md", ["prepare_sdss"]), ("from_euclid_or_rubin.md", ["prepare_euclid", "prepare_rubin"])],
)
def test_the_configurations_shown_are_the_files(page, names):
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    for block, name in zip(blocks, names, strict=True):
        file = (ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8")
        assert re.sub("^#.*\n", "", file, flags=re.MULTILINE) == block
        assert yaml.safe_load(block)["out"].startswith("data/")


@pytest.fixture(scope="module")
def sdss(tmp_path_factory):
    """The folder data/ of docs/from_sdss.md."""
    here = tmp_path_factory.mktemp("sdss")
    (here / "configs").symlink_to(ROOT / "configs")
    raw, images, jpegs = here / "data/raw", here / "data/sdss/g", here / "data/raw/images"
    images.mkdir(parents=True)
    jpegs.mkdir(parents=True)
    rng = np.random.default_rng(3)
    ra, dec = POSITIONS
    flux_g = rng.uniform(200, 600, N)
    galaxies = pd.DataFrame(
        {
            "objid": DR8, "dr7objid": DR7, "ra": ra, "dec": dec, "z": rng.uniform(0.02, 0.1, N),
            "petro_r90": rng.uniform(3, 5, N), "flux_g": flux_g, "flux_err_g": 0.01 * flux_g,
            "flux_r": flux_g * rng.uniform(1.5, 2.2, N), "flux_err_r": 0.01 * flux_g,
            "extinction_g": 0.1, "extinction_r": 0.07,
        }
    )  # fmt: skip
    galaxies.to_csv(here / "data/sdss/galaxies.csv", index=False)
    votes = hart16(rng)
    assert votes.shape[1] == 231
    votes.to_csv(raw / "gz2_hart16.csv.gz", index=False)
    # GSWLC: 24 columns without a header, and the .gz that its server has unpacked
    masses = np.full((N, 24), -99.0)
    masses[:, 2:5], masses[:, 5], masses[:, 6] = [266, 51630, 7], ra + 0.2 / 3600, dec
    masses[:, 7], masses[:, 9], masses[:, 10] = galaxies["z"], rng.uniform(9.5, 11, N), 0.05
    masses[:, 19:] = [0, 1, 1, 0, 1]
    masses[3, 9:11] = -99
    lines = [f"{i} 0 {' '.join(f'{v:.9g}' for v in row[2:])}\n" for i, row in zip(DR8 + 5, masses, strict=True)]
    (raw / "GSWLC-X2.dat.gz").write_text("".join(lines[1:]))
    assets = 58 + np.arange(N)
    pd.DataFrame({"objid": DR7, "sample": "original", "asset_id": assets}).to_csv(
        raw / "gz2_filename_mapping.csv", index=False
    )
    for k in range(N - 1):  # the last one could not be had
        n = round(11 * galaxies["petro_r90"][k] / 0.396)
        middle = (n - 1) / 2
        image = disc(rng, (n, n), middle, middle, flux_g[k], galaxies["petro_r90"][k] / 0.396 / 3)
        header = sky_header(ra[k], dec[k], middle, middle, 0.396)
        header["BUNIT"] = "nanomaggy"
        fits.PrimaryHDU(image, header).writeto(images / f"{DR8[k]}.fits")
        if k % 6 == 0:
            colour = disc(rng, (424, 424), 211.5, 211.5, 3e5, 30, noise=2) + 20
            grey = Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8))
            Image.merge("RGB", (grey, grey, grey)).save(jpegs / f"{assets[k]}.jpg")
    broken = images / f"{DR8[5]}.fits"
    broken.write_bytes(broken.read_bytes()[:4000])
    return here, galaxies, votes, masses


def test_from_sdss(sdss, monkeypatch, capsys):
    here, galaxies, votes, masses = sdss
    monkeypatch.chdir(here)
    first, whole = commands("from_sdss.md", "configs/prepare_sdss.yaml")
    assert "limit=100" in first
    ds, printed = run(whole, capsys)
    # the page shows what is printed
    shown = (DOCS / "from_sdss.md").read_text(encoding="utf-8")
    assert "".join(f"    {line}\n" for line in printed.strip().splitlines()) in shown
    table = ds.table.set_index("id")
    assert table.index.tolist() == [i for i in DR8.tolist() if i not in {DR8[5], DR8[-1]}]
    quarantine = pd.read_csv(ds.path / "quarantine.csv", dtype=str)
    assert set(quarantine["id"]) == {str(DR8[5]), str(DR8[-1])}
    # each galaxy has its own votes, by way of its DR7 id
    has = table.index < DR8[-2]
    columns = [f"{stem}_votes" for stem in TREE.stems]
    assert table[columns].notna().any(axis=1).tolist() == has.tolist()
    theirs = votes.set_index("dr7objid").loc[DR7[table.index[has] - DR8[0]], [f"{s}_weight" for s in TREE.stems]]
    np.testing.assert_allclose(table.loc[has, columns], theirs)
    # and its own M/L, of its mass and fluxes
    light = rest_frame(
        {band: galaxies[f"flux_{band}"] for band in "gr"},
        galaxies["z"],
        extinctions={band: galaxies[f"extinction_{band}"] for band in "gr"},
    ).log_luminosity
    ratio = log_mass_to_light(masses[:, 9], light)
    ratio = pd.Series(ratio, index=DR8).drop([DR8[0], DR8[3]])
    assert table.index[table["log_ml_g"].isna()].tolist() == [DR8[0], DR8[3]]
    known = table["log_ml_g"].dropna()
    np.testing.assert_allclose(known, ratio[known.index], atol=1e-6)
    assert ds.info["imf"] == "chabrier"
    np.testing.assert_allclose(
        table["pixel_scale_arcsec"], 2 * 2.12 * galaxies.set_index("objid")["petro_r90"][table.index] / 69, rtol=1e-5
    )
    assert (ds.path / "preparation.html").is_file()


def test_the_images_of_galaxy_zoo_2(sdss, monkeypatch, capsys):
    here, _, votes, _ = sdss
    monkeypatch.chdir(here)
    (command,) = commands("from_sdss.md", "configs/prepare_gz2_jpegs.yaml")
    ds, _ = run(command, capsys)
    rows = ds.table["id"].to_numpy() - 58
    assert rows.tolist() == [0, 6, 12, 18, 24]
    stem = TREE.stems[0]
    np.testing.assert_allclose(ds.table[f"{stem}_votes"], votes[f"{stem}_weight"].to_numpy()[rows])
    assert ds.info["band"] == "r"


def test_from_euclid(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    folder = tmp_path / "data/euclid"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    ids = 2639140000000000000 + np.arange(8)
    tile = rng.normal(0, 0.02, (400, 800)).astype(np.float32)
    x, y = 60 + 95 * np.arange(8), np.where(np.arange(8) % 2, 120, 280)
    for k in range(8):
        tile += disc(rng, tile.shape, x[k], y[k], 100.0, 5.0, noise=0)
    # two tiles side by side; the fourth galaxy lies where they meet, the last one outside
    for name, columns in {"102018211-ACBD03": slice(0, 370), "102018212-ACBD03": slice(330, 700)}.items():
        header = sky_header(60.0, -47.0, 400 - columns.start, 200, 0.1)
        header["MAGZERO"] = 24.6
        part = fits.PrimaryHDU(tile[:, columns], header)
        with gzip.open(folder / f"EUC_MER_BGSUB-MOSAIC-VIS_TILE{name}_00.00.fits.gz", "wb") as file:
            part.writeto(file)
    world = WCS(sky_header(60.0, -47.0, 400, 200, 0.1)).wcs_pix2world(x, y, 0)
    table = pd.DataFrame({"object_id": ids, "ra": world[0], "dec": world[1], "kron_radius": 20.0})
    table.to_parquet(folder / "mer_catalogue.parquet")
    more = table[["object_id"]].assign(log_ml=0.3, log_ml_err=0.1, z=0.1, l_g=1e10)
    more.to_parquet(folder / "light.parquet")
    more.to_parquet(folder / "masses.parquet")
    (folder / "cutouts").mkdir()
    for k in range(3):
        part = fits.PrimaryHDU(tile[y[k] - 55 : y[k] + 56, x[k] - 55 : x[k] + 56])
        part.header.update(sky_header(world[0][k], world[1][k], 55, 55, 0.1))
        part.writeto(folder / "cutouts" / f"{ids[k]}.fits")
    plain, cutouts, light, labelled = commands("from_euclid_or_rubin.md", "configs/prepare_euclid.yaml")
    ds, printed = run(plain, capsys)
    assert ds.table["id"].tolist() == ids[:7].tolist()
    assert "no galaxy has a label: the dataset serves prediction only" in printed
    assert (ds.table["centre_status"] == "ok").all()
    assert ds.images().reshape(7, 69, 69)[:, 34, 34].min() > 200
    np.testing.assert_allclose(ds.table["pixel_scale_arcsec"], 2 * 2.5 * 2.0 / 69)
    reasons = pd.read_csv(ds.path / "quarantine.csv", dtype=str)
    assert reasons["id"].tolist() == [str(ids[7])]
    assert reasons["reason"].str.contains("None of 2 survey frames covers RA").all()
    assert len(run(cutouts, capsys)[0].table) == 3
    assert (run(light, capsys)[0].table["luminosity_g"] == 1e10).all()
    ds, _ = run(labelled, capsys)
    assert (ds.table["log_ml_g"] == 0.3).all()
    assert ds.info["label_source"] == "my fits"


def test_from_rubin(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    folder = tmp_path / "data/rubin/g"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    ids = 611255759837069401 + np.arange(5)
    n = 130
    ra, dec = 53.1 + 0.01 * np.arange(5), -28.0 + 0.01 * np.arange(5)
    planes = {"BAD": 0, "SAT": 1, "INTRP": 2, "CR": 3, "EDGE": 4, "DETECTED": 5, "NO_DATA": 8}
    for k in range(5):
        flux = disc(rng, (n, n), 64.5, 64.5, 60000.0, 6.0, noise=10)  # nJy
        mask = np.where(flux > 60, 1 << planes["DETECTED"], 0).astype(np.int32)
        mask[20:30, 40:44] |= 1 << planes["SAT"]
        header = sky_header(ra[k], dec[k], 64.5, 64.5, 0.2)
        header["BUNIT"] = "nJy"
        bits = fits.Header([(f"HIERARCH MP_{name}", bit) for name, bit in planes.items()])
        fits.HDUList(
            [
                fits.PrimaryHDU(),
                fits.ImageHDU(flux, header, name="IMAGE"),
                fits.ImageHDU(mask, bits, name="MASK"),
                fits.ImageHDU(np.full((n, n), 100, np.float32), name="VARIANCE"),
            ]
        ).writeto(folder / f"{ids[k]}.fits")
    pd.DataFrame({"objectId": ids, "coord_ra": ra, "coord_dec": dec}).to_parquet(
        tmp_path / "data/rubin/objects.parquet"
    )
    # before BAD is there it is asked for, and MASK as it stands takes the galaxy away
    assert main(["prepare", "configs/prepare_rubin.yaml"]) == 2
    assert "has no HDU 'BAD'" in re.sub(r"\s+", " ", capsys.readouterr().err)
    if main(["prepare", "configs/prepare_rubin.yaml", "images.mask=MASK", "out=masked"]) == 0:
        assert (open_dataset("masked").table["centre_status"] != "ok").all()
    capsys.readouterr()
    page = (DOCS / "from_euclid_or_rubin.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    for _ in range(2):
        exec(compile(block, "from_euclid_or_rubin.md", "exec"), {})  # noqa: S102 - our own documentation
    (command,) = commands("from_euclid_or_rubin.md", "configs/prepare_rubin.yaml")
    ds, _ = run(command, capsys)
    assert ds.table["id"].tolist() == ids.tolist()
    np.testing.assert_allclose(ds.table["pixel_scale_arcsec"], 20 / 69, rtol=1e-5)
    assert (ds.table["missing_fraction"] < 0.01).all()
    assert ds.images().reshape(5, 69, 69)[:, 34, 34].min() > 200
