import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.io import fits
from pydantic import ValidationError

from gzmass.datasets import open_dataset
from gzmass.errors import ConfigError, DataError
from gzmass.preparation import PrepareConfig, prepare

FIRST = 1237648721789256091
N = 12


@pytest.fixture
def source(tmp_path):
    """Twelve FITS images, two of them bad, a vote table and a mass-to-light table that overlap in part."""
    rng = np.random.default_rng(0)
    ids = FIRST + np.arange(N)
    y, x = np.mgrid[:40, :40] - 19.5
    (tmp_path / "fits").mkdir()
    for k, i in enumerate(ids):
        image = 50 * np.exp(-np.hypot(x, y) / (2 + k / 4)) + rng.normal(size=x.shape)
        fits.PrimaryHDU(image.astype(np.float32)).writeto(tmp_path / "fits" / f"{i}-g.fits")
    (tmp_path / "fits" / f"{ids[3]}-g.fits").write_bytes(b"SIMPLE  = nothing")
    fits.PrimaryHDU(np.zeros((40, 40))).writeto(tmp_path / "fits" / f"{ids[7]}-g.fits", overwrite=True)
    (tmp_path / "fits" / "notes.txt").write_text("not an image")
    pd.DataFrame({"objid": ids[:8], "yes": 3.0, "no": 1.0}).to_csv(tmp_path / "votes.csv", index=False)
    ml = pd.DataFrame({"objid": [*ids[4:], 7], "ml": 0.25, "L": 2.0, "D": 3e5, "ok": True})
    ml.loc[1, "ml"] = 1e9
    ml.loc[2, "ok"] = False
    ml.to_csv(tmp_path / "ml.csv", index=False)
    return tmp_path


def config(source, **changes):
    values = {
        "out": source / "ds",
        "images": {"folder": source / "fits", "pattern": "{id}-g.fits"},
        "npix": 20,
        "pixel_scale_arcsec": 0.4,
        "votes": {
            "file": source / "votes.csv",
            "id": "objid",
            "columns": {"t02_edgeon_a04_yes_votes": "yes", "t02_edgeon_a05_no_votes": "no"},
        },
        "mass_to_light": {
            "file": source / "ml.csv",
            "id": "objid",
            "columns": {
                "log_ml_g": "ml",
                "luminosity_g": {"column": "L", "scale": 1e10},
                "distance_mpc": {"column": "D", "unit": "kpc"},
            },
            "where": "ok",
            "imf": "Chabrier",
        },
    }
    return PrepareConfig(**{**values, **changes})


def test_galaxies_with_votes_with_ratios_with_both_and_with_none(source):
    seen = []
    summary = prepare(config(source), progress=lambda done, total: seen.append((done, total)))
    ds = open_dataset(summary.path)
    assert seen[-1] == (N, N)
    # bad: rows 3 and 7; votes 0-7, M/L 4, 7-11 (5 out of range, 6 not used)
    good = [k for k in range(N) if k not in {3, 7}]
    assert (ds.table["id"] - FIRST).tolist() == good
    assert (ds.table["id"].iloc[ds.rows(labelled="votes")] - FIRST).tolist() == [0, 1, 2, 4, 5, 6]
    assert (ds.table["id"].iloc[ds.rows(labelled="log_ml")] - FIRST).tolist() == [4, 8, 9, 10, 11]
    row = ds.table.set_index("id").loc[FIRST + 8]
    assert row["distance_mpc"] == pytest.approx(300)
    assert row["log_mstar"] == pytest.approx(0.25 + np.log10(2e10))
    assert row["pixel_scale_arcsec"] == pytest.approx(0.8)  # 40 pixels became 20
    assert row["stretch_scale"] > 0
    assert ds.info["imf"] == "Chabrier"
    assert ds.info["columns"]["luminosity_g"] == {"file": str(source / "ml.csv"), "column": "L", "scale": 1e10}
    assert ds.images().shape == (10, 20, 20, 1)
    assert summary.counts["all"] == {"galaxies": 10, "votes": 6, "log_ml": 5, "votes_and_log_ml": 1}
    assert summary.set_aside == {"mass_to_light": 1, "images": 2}
    assert "mass_to_light: 1 of 7 galaxies have no image" in summary.notes
    quarantine = pd.read_csv(summary.path / "quarantine.csv").set_index("id")
    assert set(quarantine.index - FIRST) == {3, 5, 7}
    assert "can not be read" in quarantine.loc[FIRST + 3, "reason"]
    assert "flat" in quarantine.loc[FIRST + 7, "reason"]
    assert quarantine.loc[FIRST + 5, "reason"] == "log_ml_g = 1e+09, allowed are -3 to 3"


def files(path):
    return {
        f.relative_to(path): f.read_bytes().replace(f"Preparation of {path.name}".encode(), b"")
        for f in sorted(path.rglob("*"))
        if f.is_file() and "work" not in f.parts and "cache" not in f.parts
    }


def test_killed_and_started_again_gives_the_same_bytes(source, monkeypatch):
    module = sys.modules["gzmass.preparation.pieces"]
    monkeypatch.setattr(module, "_PIECE", 4)
    expected = files(prepare(config(source)).path)
    made, original = [], module.prepare_image

    def dies(settings, galaxy, frames):
        if len(made) == 6:
            raise KeyboardInterrupt
        made.append(galaxy.id)
        return original(settings, galaxy, frames)

    monkeypatch.setattr(module, "prepare_image", dies)
    with pytest.raises(KeyboardInterrupt):
        prepare(config(source, out=source / "again"))
    assert not (source / "again" / "dataset.yaml").exists()
    made.clear()
    monkeypatch.setattr(module, "prepare_image", lambda *args: made.append(args[1].id) or original(*args))
    prepare(config(source, out=source / "again"))
    assert len(made) == 8  # the four of the finished chunk are not made again
    assert files(source / "again") == expected
    made.clear()
    prepare(config(source, out=source / "again"))
    for record in (source / "again" / "work").glob("*.json"):  # as they were before they told of files
        record.write_text(json.dumps(json.loads(record.read_text())["rows"]))
    prepare(config(source, out=source / "again"))
    assert made == []


def radii(source, factor):
    ids = FIRST + np.arange(N)
    pd.DataFrame({"objid": ids, "r": factor * (2 + np.arange(N) / 4)}).to_csv(source / "radii.csv", index=False)
    galaxies = {"file": source / "radii.csv", "id": "objid", "columns": {"radius_arcsec": "r"}}
    return config(source, galaxies=galaxies, cutout={"radii": 1.2}, votes=None)


def test_images_of_two_configurations_are_never_taken_for_one_dataset(source, monkeypatch):
    """Interrupted while images of other radii replace those of a dataset, then taken back to the first radii."""
    module = sys.modules["gzmass.preparation.pieces"]
    monkeypatch.setattr(module, "_PIECE", 4)
    path = prepare(radii(source, 1.0)).path
    expected = files(path)

    def interrupted(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(radii(source, 0.8), progress=interrupted)
    assert not (path / "dataset.yaml").exists()
    assert files(prepare(radii(source, 1.0)).path) == expected
    assert files(prepare(radii(source, 0.8)).path) != expected


def test_a_dataset_stays_where_no_image_can_be_read_any_more(source):
    path = prepare(config(source)).path
    expected = files(path)
    for file in (source / "fits").glob("*.fits"):
        file.write_bytes(b"nothing")
    with pytest.raises(DataError, match="None of the 12 images can be used"):
        prepare(config(source))
    assert files(path) == expected


def test_a_file_that_the_system_could_not_read_is_tried_again(source, monkeypatch):
    module = sys.modules["gzmass.preparation.images"]
    original = module.read_linear_image

    def fails(file, *arguments):
        if str(FIRST + 1) in str(file):
            raise DataError(f"The image {file!r} can not be read.") from OSError(5, "Input/output error")
        return original(file, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, "read_linear_image", fails)
        summary = prepare(config(source))
    assert summary.set_aside["images"] == 3
    assert prepare(config(source)).set_aside["images"] == 2
    assert FIRST + 1 in open_dataset(summary.path).table["id"].tolist()


def test_a_mended_image_is_taken_up(source):
    prepare(config(source))
    good = (source / "fits" / f"{FIRST}-g.fits").read_bytes()
    (source / "fits" / f"{FIRST + 3}-g.fits").write_bytes(good)
    assert prepare(config(source)).counts["all"]["galaxies"] == 11


def test_images_of_another_revision_of_the_code_are_made_again(source, monkeypatch):
    path = prepare(config(source)).path
    module, expected = sys.modules["gzmass.preparation.pieces"], files(path)
    made, original = [], module.prepare_image
    monkeypatch.setattr(module, "prepare_image", lambda *args: made.append(args[1].id) or original(*args))
    monkeypatch.setattr(module, "REVISION", module.REVISION + 1)
    prepare(config(source))
    assert len(made) == 12
    assert files(path) == expected


def test_a_removed_image_is_made_again(source):
    path = prepare(config(source)).path
    expected = files(path)
    (path / "images" / f"{FIRST + 2}.png").unlink()
    prepare(config(source))
    assert files(path) == expected


def test_the_image_of_a_galaxy_that_is_gone_goes_too(source):
    path = prepare(config(source)).path
    (source / "fits" / f"{FIRST + 1}-g.fits").unlink()
    (path / "images" / "mine.png").write_bytes(b"a picture of someone")
    prepare(config(source))
    assert not (path / "images" / f"{FIRST + 1}.png").exists()
    (path / "images" / "mine.png").unlink()  # is not taken for a galaxy's
    fresh = prepare(config(source, out=source / "fresh")).path
    assert files(path) == files(fresh)


def test_a_radius_in_arcsec_becomes_one_in_kpc(source):
    table = pd.DataFrame({"objid": FIRST + np.arange(N), "r": 5.0, "z": 0.1, "D": 460.0})
    table.loc[4, "r"], table.loc[5, "z"] = -99, np.nan
    table.to_csv(source / "radii.csv", index=False)
    columns = {"radius_arcsec": "r", "redshift": "z", "distance_mpc": "D"}
    radii = {"file": source / "radii.csv", "id": "objid", "columns": columns}
    found = open_dataset(prepare(config(source, metadata=radii, mass_to_light=None)).path).table.set_index("id")
    # 460 Mpc / 1.1^2 at 5 arcsec
    assert found.loc[FIRST, "radius_kpc"] == pytest.approx(9.215, abs=1e-3)
    assert found["radius_kpc"].isna().sum() == 2
    radii["columns"] = {**columns, "radius_kpc": {"column": "r", "scale": 2}}
    other = config(source, out=source / "given", metadata=radii, mass_to_light=None)
    assert open_dataset(prepare(other).path).table["radius_kpc"].iloc[0] == 10


def test_two_processes_give_the_same_bytes(source):
    expected = files(prepare(config(source)).path)
    assert files(prepare(config(source, out=source / "two", workers=2)).path) == expected


def test_another_configuration_is_refused(source):
    prepare(config(source))
    with pytest.raises(ConfigError, match="dataset files made from another npix"):
        prepare(config(source, npix=24))
    with pytest.raises(ConfigError, match="holds no dataset files"):
        prepare(config(source, out=source / "fits"))


def test_without_labels_the_summary_says_so(source):
    summary = prepare(config(source, votes=None, mass_to_light=None, limit=3, cutout={"fraction": 0.5}))
    assert summary.counts["all"] == {"galaxies": 3, "votes": 0, "log_ml": 0, "votes_and_log_ml": 0}
    assert summary.notes == [
        "limit: 3 of 12 galaxies; of the 9 others it says below that they have no image",
        "no galaxy has a label: the dataset serves prediction only",
    ]


def test_a_given_split(source):
    table = pd.DataFrame({"objid": FIRST + np.arange(N), "set": ["train", "val", "test"] * 4})
    table.to_csv(source / "split.csv", index=False)
    split = {"file": source / "split.csv", "id": "objid", "column": "set"}
    ds = open_dataset(prepare(config(source, split=split)).path)
    assert (ds.table["split"] == table.set_index("objid")["set"].loc[ds.table["id"]].to_numpy()).all()
    table.iloc[:2].to_csv(source / "split.csv", index=False)
    with pytest.raises(DataError, match=f"gives no split for the galaxy {FIRST + 2}"):
        prepare(config(source, out=source / "other", split=split))


def test_everything_bad_is_one_sentence(source):
    for file in (source / "fits").glob("*.fits"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"None of the 12 images can be used; the first one: .*-g.fits"):
        prepare(config(source))
    assert not (source / "ds").exists()


def test_what_someone_else_put_there_stays(source):
    mine = source / "ds" / "my.partial-notes.txt"
    mine.parent.mkdir()
    mine.write_text("notes")
    with pytest.raises(ConfigError, match="holds no dataset files"):
        prepare(config(source))
    mine = mine.rename(source / "ds" / ".partial-1-notes.txt")
    for file in (source / "fits").glob("*.fits"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match="None of the 12 images"):
        prepare(config(source))
    assert list((source / "ds").iterdir()) == [mine]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": {"folder": "absent"}}, "folder of images 'absent' does not exist"),
        ({"images": {"folder": "fits", "pattern": "{id}.jpg"}}, "no image that matches"),
        (
            {"metadata": {"file": "ml.csv", "id": "objid", "columns": {"luminosity_g": "L"}}},
            "'luminosity_g' is given twice",
        ),
        *(
            ({"metadata": {"file": "ml.csv", "id": "objid", "columns": {name: "L"}}}, f"can not hold '{name}'")
            for name in ("split", "reason", "side", "native_scale_arcsec", "missing_fraction", "flux")
        ),
        (
            {"galaxies": {"file": "ml.csv", "id": "objid", "columns": {"side": "L"}}},
            "galaxies.columns can not hold 'side'",
        ),
        ({"metadata": {"file": "ml.csv", "id": "id", "columns": {"redshift": "z"}}}, "no column 'id'"),
    ],
)
def test_what_can_not_be_used_is_named_and_nothing_is_written(source, monkeypatch, changes, message):
    monkeypatch.chdir(source)
    with pytest.raises((DataError, ConfigError), match=message):
        prepare(config(source, **changes))
    assert not (source / "ds").exists()


def test_ids_of_which_none_has_an_image(source):
    pd.DataFrame({"objid": [1, 2], "yes": 1, "no": 1}).to_csv(source / "votes.csv", index=False)
    with pytest.raises(DataError, match=f"None of the galaxies .*{FIRST}.* votes .* whose first id is 1;"):
        prepare(config(source))


@pytest.mark.parametrize(
    "changes",
    [
        {"npixels": 69},
        {"npix": 0},
        {"cutout": {"fraction": 1.5}},
        {"cutout": {"arcsec": 20, "pixels": 20}},
        {"stretch": {"scale": float("nan")}},
        {"images": {"folder": "fits", "frames": "fits/*.fits"}},
        {"images": {"frames": "fits/*.fits"}},
        {"photometry": {"band": "g"}},
        {"images": {}},
        {"stretch": {"scale": -1}},
        {"split": {"fractions": {"dev": 1}}},
    ],
)
def test_bad_keys_are_refused(source, changes):
    with pytest.raises(ValidationError):
        config(source, **changes)


def test_the_configurations_that_come_with_the_package():
    for file in sorted((Path(__file__).parents[2] / "configs").glob("prepare_*.yaml")):
        PrepareConfig(**yaml.safe_load(file.read_text(encoding="utf-8")))


def test_a_directory_in_which_another_process_works_is_left_alone(source):
    out = prepare(config(source)).path
    made = files(out)
    (out / "running.lock").write_text("elsewhere 1")
    (out / "images" / ".partial-of-the-other.png").touch()
    with pytest.raises(ConfigError, match="ds' is being worked in by process 1 on 'elsewhere'"):
        prepare(config(source))
    assert (out / "images" / ".partial-of-the-other.png").exists()
    (out / "running.lock").unlink()
    prepare(config(source))
    assert files(out) == made
