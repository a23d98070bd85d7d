"""The report in a real browser: no error, all pictures, tables that sort, and nothing too wide for a phone."""

import re

import browser
import numpy as np
import pandas as pd
import pytest

from gzmass.calibration import apply_calibration, calibrate_intervals
from gzmass.datasets import open_dataset, write_dataset
from gzmass.evaluation import evaluate
from gzmass.tree import load_tree

pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason="no chromium is installed")
NPIX, N = 32, 90
WIDTHS = (390, 1200)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    rng, tree, folder = np.random.default_rng(0), load_tree("gz2"), tmp_path_factory.mktemp("report")
    table = pd.DataFrame({"id": [f"a_rather_long_name_of_a_galaxy_{k}" for k in range(N)], "split": "test"})
    table["log_ml_g"] = rng.normal(0.3, 0.25, N)
    table["redshift"], table["luminosity_g"] = rng.uniform(0.01, 0.2, N), 10 ** rng.uniform(9, 11, N)
    counts = tree.joint(tree.conditional(rng.dirichlet(np.ones(37), N))) * 40
    table = pd.concat([table, pd.DataFrame(counts, columns=[f"{stem}_votes" for stem in tree.stems])], axis=1)
    images = zip(table["id"], rng.integers(0, 255, (N, NPIX, NPIX), dtype=np.uint8), strict=True)
    write_dataset(folder / "data", table, images, {"npix": NPIX, "label_kind": "proxy"}, tree=tree)
    mean = 0.6 * table["log_ml_g"] + 0.12 + rng.normal(0, 0.1, N)
    calibration = calibrate_intervals(table["log_ml_g"], mean, 1.0)
    predictions = apply_calibration(mean, np.ones(N), calibration)
    predictions.insert(0, "id", table["id"])
    fractions = tree.conditional(rng.dirichlet(np.ones(37), N))
    names = [f"{stem}_fraction" for stem in tree.stems]
    predictions = pd.concat([predictions, pd.DataFrame(fractions, columns=names)], axis=1)
    predictions["in_domain"], predictions["out_of_domain_reason"] = False, "image_sky 61 above 44.5"
    others = [("runs/" + "another_run_" * 4 + str(k), predictions.iloc[k:]) for k in range(2)]
    dataset = open_dataset(folder / "data")
    evaluate(predictions, dataset, "test", folder / "out", baselines=False, compare=others, name="run_" * 30)
    return folder / "out" / "report.html"


@pytest.fixture(scope="module")
def seen(report, tmp_path_factory):
    return browser.visit(report, tmp_path_factory.mktemp("browser"), WIDTHS)


def test_there_is_no_error_and_every_picture_is_there(seen):
    visits, log = seen
    assert set(visits) == set(WIDTHS)
    assert log == []
    for visit in visits.values():
        assert visit["errors"] == []
        assert len(visit["pictures"]) > 40
        assert all(alt and pixels > 0 and width > 50 for alt, pixels, width in visit["pictures"])
        assert len(visit["drawings"]) == 3
        assert all(alt and width > 250 and height > 500 for alt, width, height in visit["drawings"])


def test_nothing_is_wider_than_the_screen(seen):
    for width, visit in seen[0].items():
        assert visit["scroll"] <= width
        assert visit["wide"] == []
    assert seen[0][390]["cut"] >= 5  # of each table that can be scrolled a line says so


def value(text):
    text = text.replace("\u2212", "-").replace(",", "")
    return float(text.split(" ")[0])


def test_every_column_of_every_table_sorts_up_down_and_back(seen):
    tables = seen[0][390]["tables"]
    assert len(tables) == 7
    sorted_columns = 0
    for column in [column for table in tables for column in table]:
        assert column["again"] == column["before"]
        assert (column["up_said"], column["down_said"], column["again_said"]) == ("ascending", "descending", None)
        filled = [text for text in column["up"] if text not in {"", "\u2013"}]
        assert column["up"][: len(filled)] == filled, "what has no value stands last"
        assert sorted(column["up"]) == sorted(column["before"])
        if filled and all(re.match(r"[+\u2212]?\d[\d,.]*( |$)", text) for text in filled):
            numbers = [value(text) for text in filled]
            assert numbers == sorted(numbers)
            assert [value(text) for text in column["down"][: len(filled)]] == numbers[::-1]
            sorted_columns += len(set(numbers)) > 1
    assert sorted_columns > 10
