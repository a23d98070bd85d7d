"""Predictions in parts: equal to those in one table, row for row; what is missing is made; bad input is refused."""

import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from gzmass.cli import main
from gzmass.config import FinetuneConfig
from gzmass.datasets import change_storage, open_dataset, write_dataset
from gzmass.datasets.shards import write_shard
from gzmass.datasets.write import encode_png
from gzmass.engine import open_engine
from gzmass.errors import ConfigError, DataError
from gzmass.inference import find_galaxies, predict, predict_parts, reading
from gzmass.inference import rows as rows_module
from gzmass.models.run import read_card, run_mark
from gzmass.training import finetune_ml

with warnings.catch_warnings():  # lsdb sets an option that pandas 3 no longer has
    warnings.simplefilter("ignore")
    lsdb = pytest.importorskip("lsdb")

# of nested-pandas and Dask, whose warnings are not ours to mend
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning", "ignore::RuntimeWarning"
)

N = 80


class Here:
    """An engine of this process, which has loaded Keras already."""

    def run(self, function, items):
        for item in items:
            yield item, function(item), None


def place(table):
    """Positions in a patch of the sky, the last without."""
    rng = np.random.default_rng(3)
    table["ra"], table["dec"] = rng.uniform(150, 152, len(table)), rng.uniform(1, 3, len(table))
    table.loc[len(table) - 1, "ra"] = np.nan


@pytest.fixture(scope="module")
def placed(make_dataset):
    return make_dataset(edit=place)


@pytest.fixture(scope="module")
def run(galaxies, tmp_path_factory):
    config = FinetuneConfig(
        dataset=galaxies,
        out=tmp_path_factory.mktemp("runs") / "run",
        model={"hidden": 8},
        stages=[{"name": "all", "epochs": 1}],
        metadata=["distance_mpc"],
        test_time_augmentation=1,
    )
    finetune_ml(config)
    return config.out


@pytest.fixture(scope="module")
def expected(run, placed):
    return predict(run, open_dataset(placed))


def copy_of(dataset, path, storage=None):
    shutil.copytree(dataset, path)
    if storage:
        change_storage(path, storage)
    return path


def shards_of(dataset, folder, n=20):
    """Shards of n galaxies each, without a dataset around them."""
    data = open_dataset(dataset)
    for k in range(0, len(data), n):
        rows = np.arange(k, k + n)
        pngs = [encode_png(image) for image in data.images(rows)[..., 0]]
        write_shard(folder / f"part-{k // n}.parquet", data.table.iloc[rows].reset_index(drop=True), pngs)
    return folder


def parts(out):
    return pd.concat([pd.read_parquet(file) for file in sorted(out.rglob("part-*.parquet"))], ignore_index=True)


def same(found, expected):
    found = found.set_index("id").loc[expected["id"]].reset_index()
    for name in expected:
        if expected[name].dtype.kind == "f":
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5, err_msg=name)
        else:
            assert found[name].tolist() == expected[name].tolist(), name


def test_neither_chunks_nor_blocks_change_the_parts(run, placed, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_READ", 7)  # threads predict several chunks of a unit at once
    monkeypatch.setattr(rows_module, "_BLOCK", 16)
    predict_parts(run, shards_of(placed, tmp_path / "bare", n=N), tmp_path / "out", Here())
    same(parts(tmp_path / "out"), expected.drop(columns=["ra", "dec"]))


@pytest.mark.parametrize("storage", ["files", "shards", "bare"])
def test_parts_equal_the_table(run, placed, expected, tmp_path, storage):
    source = shards_of(placed, tmp_path / "bare") if storage == "bare" else copy_of(placed, tmp_path / "data", storage)
    seen = []
    made = predict_parts(run, source, tmp_path / "out", Here(), progress=lambda *both: seen.append(both))
    same(parts(tmp_path / "out" / "parts"), expected)
    assert (made.n_rows, made.n_failed, made.n_units) == (N, 0, 4 if storage == "bare" else 1)
    assert seen[-1] == (N, N)
    assert parts(tmp_path / "out" / "parts")["status"].unique().tolist() == ["ok"]


def paths_beside(dataset, folder, rows):
    """A Parquet file whose images are files of a folder beside it, called alike in every folder."""
    data = open_dataset(dataset)
    (folder / "img").mkdir(parents=True)
    table = data.table.iloc[rows].reset_index(drop=True)
    for k, image in enumerate(data.images(rows)[..., 0]):
        (folder / "img" / f"{k}.png").write_bytes(encode_png(image))
    table.assign(image=[f"img/{k}.png" for k in range(len(rows))]).to_parquet(folder / "shard.parquet")
    return folder / "shard.parquet"


def test_paths_of_images_are_relative_to_their_own_file(run, placed, expected, tmp_path):
    files = [paths_beside(placed, tmp_path / name, np.arange(k, k + 10)) for name, k in (("a", 0), ("b", 10))]
    predict_parts(run, files, tmp_path / "out", Here())
    same(
        parts(tmp_path / "out" / "parts").drop(columns=["domain_score"], errors="ignore"),
        expected.iloc[:20][["id", "log_ml_g"]],
    )


def test_a_worker_that_has_opened_the_run_before_notices_that_it_is_another(run):
    from gzmass.inference.parts import _load

    mark = run_mark(run, read_card(run))
    assert _load((str(run),), (mark,)) is _load((str(run),), (mark,))
    with pytest.raises(DataError, match=r"run '.*' is another one on '.*' than where the command was given") as told:
        _load((str(run),), ("another",))
    assert told.value.ends_run


def test_a_split_without_galaxies_is_refused(run, placed, tmp_path):
    source = copy_of(placed, tmp_path / "data")
    table = pd.read_parquet(source / "catalog.parquet")
    table.assign(split="train").to_parquet(source / "catalog.parquet")
    with pytest.raises(DataError, match=r"There are no galaxies of the split 'val' in"):
        predict_parts(run, source, tmp_path / "out", Here(), split="val")


def test_a_declination_beyond_the_poles_is_no_position(run, make_dataset, tmp_path):
    def misplace(table):
        place(table)
        table.loc[0, "dec"] = -999.0

    made = predict_parts(run, make_dataset(edit=misplace), tmp_path / "out", Here())
    assert made.note == "2 galaxies without a position are not in the HATS catalogue"
    assert len(lsdb.open_catalog(made.hats).compute()) == N - 2


def test_a_dataset_is_not_taken_for_predictions(run, placed, tmp_path):
    out = copy_of(placed, tmp_path / "data")
    with pytest.raises(ConfigError, match=r"is a dataset; choose another directory for the predictions"):
        predict_parts(run, placed, out, Here())


def test_unknown_stretches_are_judged_and_told_alike_in_a_table_and_in_parts(run, placed, tmp_path, capsys):
    source = copy_of(placed, tmp_path / "data")
    info = yaml.safe_load((source / "dataset.yaml").read_text())
    del info["stretch"]
    (source / "dataset.yaml").write_text(yaml.safe_dump(info))
    predict_parts(run, source, tmp_path / "out", Here())
    found = parts(tmp_path / "out" / "parts").set_index("id")["in_domain"]
    table = predict(run, open_dataset(source)).set_index("id")["in_domain"]
    assert found.loc[table.index].tolist() == table.tolist()
    assert table.any()
    for out in ("table.csv", "parts/"):
        assert main(["predict", str(run), str(source), "--out", f"{tmp_path}/{out}"]) == 0
        assert "how the images were stretched is not known" in " ".join(capsys.readouterr().out.split())


def test_shards_by_relative_and_absolute_paths(run, placed, tmp_path, monkeypatch):
    shards = shards_of(placed, tmp_path / "bare")
    monkeypatch.chdir(tmp_path)
    first, *others = sorted(shards.glob("*.parquet"))
    paths = [first.relative_to(tmp_path), *others]
    assert main(["predict", str(run), *map(str, paths), "--out", "parts/"]) == 0
    made = pd.concat(map(pd.read_parquet, sorted((tmp_path / "parts").rglob("part-*.parquet"))))
    assert sorted(made["id"]) == sorted(open_dataset(placed).table["id"])


@pytest.mark.parametrize("shards", [["part-00000.parquet"], None])
def test_a_list_of_shards_that_is_damaged_is_named(placed, tmp_path, shards):
    source = copy_of(placed, tmp_path / "data", "shards")
    info = yaml.safe_load((source / "dataset.yaml").read_text())
    (source / "dataset.yaml").write_text(yaml.safe_dump({**info, "shards": shards}))
    with pytest.raises(DataError, match=r"dataset.yaml of '.*' is damaged: its key 'shards' is no list of shards"):
        find_galaxies(source)


def test_a_list_of_shards_may_come_without_hashes(placed, tmp_path):
    source = copy_of(placed, tmp_path / "data", "shards")
    info = yaml.safe_load((source / "dataset.yaml").read_text())
    for shard in info["shards"].values():
        del shard["hash"]
    (source / "dataset.yaml").write_text(yaml.safe_dump(info))
    assert find_galaxies(source).n_rows == N


def test_a_forgotten_run_is_told(capsys, tmp_path):
    assert main(["predict", "a.parquet", "b.parquet", "--out", str(tmp_path / "x") + "/"]) == 2
    assert "needs a RUN before the galaxies" in capsys.readouterr().err


def test_of_galaxies_with_positions_a_catalogue_is_made_that_lsdb_opens(run, placed, expected, tmp_path):
    made = predict_parts(run, placed, tmp_path / "out", Here())
    assert made.note == "1 galaxies without a position are not in the HATS catalogue"
    catalogue = lsdb.open_catalog(made.hats)
    same(catalogue.compute(), expected.iloc[:-1])
    # nothing is imported again when nothing was made
    before = (made.hats / "hats.properties").stat().st_mtime_ns
    assert predict_parts(run, placed, tmp_path / "out", Here()).n_found == 1
    assert (made.hats / "hats.properties").stat().st_mtime_ns == before


def test_a_large_catalogue_is_divided(tmp_path, monkeypatch):
    from gzmass.catalogs import hats_output

    monkeypatch.setattr(hats_output, "_FULL", 30)  # in the place of a million rows
    monkeypatch.setattr(hats_output, "_ORDER", 8)  # a map that is looked through in less time
    table = pd.DataFrame({"id": np.arange(N)})
    place(table)
    table.to_parquet(tmp_path / "part.parquet")
    hats_output.import_parts(tmp_path / "hats", [tmp_path / "part.parquet"], N - 1)
    numbers = [pq.read_metadata(file).num_rows for file in (tmp_path / "hats").rglob("Npix=*.parquet")]
    assert sum(numbers) == N - 1
    assert max(numbers) <= 30
    assert len(lsdb.open_catalog(tmp_path / "hats").compute()) == N - 1


@pytest.fixture(scope="module")
def sky(placed, tmp_path_factory):
    """A HATS catalogue of four pixels with images as bytes and as paths."""
    data = open_dataset(placed)
    folder = tmp_path_factory.mktemp("hats") / "galaxies"
    table = data.table[["id", "ra", "dec", "distance_mpc", "luminosity_g"]].rename(columns={"id": "objid"})
    images = [encode_png(image) for image in data.images()[..., 0]]
    table["png"] = pd.Series(images, dtype=pd.ArrowDtype(pa.binary()))
    table["file"] = [f"{galaxy_id}.png" for galaxy_id in table["objid"]]
    lsdb.from_dataframe(table.iloc[:-1], lowest_order=5, highest_order=5, margin_threshold=None).to_hats(
        folder, catalog_name="galaxies", progress_bar=False
    )
    for galaxy_id, image in zip(table["objid"], images, strict=True):
        (folder / f"{galaxy_id}.png").write_bytes(image)
    return folder


@pytest.mark.parametrize("column", ["png", "file"])
def test_a_hats_catalogue_stays_one(run, sky, expected, tmp_path, column):
    made = predict_parts(run, find_galaxies(sky, "objid", column), tmp_path / "out", Here())
    assert made.hats == tmp_path / "out"
    catalogue = lsdb.open_catalog(made.hats)
    assert catalogue.get_healpix_pixels() == lsdb.open_catalog(sky).get_healpix_pixels()
    assert made.n_units == len(catalogue.get_healpix_pixels()) > 1
    same(catalogue.compute(), expected.iloc[:-1])


def test_the_guide_opens_and_matches_it(run, sky, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "past_one_machine.md").read_text(encoding="utf-8")
    code = next(block for block in page.split("```python\n")[1:] if block.startswith("import lsdb")).split("```")[0]
    predict_parts(run, find_galaxies(sky, "objid", "png"), tmp_path / "predictions", Here())
    shutil.copytree(sky, tmp_path / "galaxies")
    monkeypatch.chdir(tmp_path)
    exec(code, names := {})  # noqa: S102 - our own documentation
    assert len(names["pairs"]) == N - 1
    assert (names["pairs"]["id"] == names["pairs"]["objid_2"]).all()
    assert set(names["massive"]["status"]) <= {"ok"}


def test_a_galaxy_that_can_not_be_predicted_stands_in_the_table(run, placed, expected, tmp_path):
    data = copy_of(placed, tmp_path / "data")
    shutil.rmtree(data / "cache", ignore_errors=True)
    bad = expected["id"].tolist()[:3]
    (data / "images" / f"{bad[0]}.png").unlink()
    (data / "images" / f"{bad[1]}.png").write_bytes(b"no image")
    (data / "images" / f"{bad[2]}.png").write_bytes(encode_png(np.zeros((9, 9), np.uint8)))
    made = predict_parts(run, data, tmp_path / "out", Here())
    assert (made.n_rows, made.n_failed) == (N, 3)
    found = parts(tmp_path / "out" / "parts")
    failed = found[found["status"] == "failed"]
    assert failed["id"].tolist() == bad
    reasons = failed["status_reason"].tolist()
    assert "No such file" in reasons[0]
    assert "no PNG" in reasons[1]
    assert "9 x 9" in reasons[2]
    assert failed["log_ml_g"].isna().all()
    assert not failed["in_domain"].any()
    same(found, expected.iloc[3:])


def test_a_split(run, placed, tmp_path):
    predict_parts(run, placed, tmp_path / "out", Here(), split="test")
    same(parts(tmp_path / "out" / "parts"), predict(run, open_dataset(placed), "test"))
    (tmp_path / "bare").mkdir()
    predict_parts(run, shards_of(placed, tmp_path / "bare", 2), tmp_path / "pairs", Here(), split="val")
    assert len(parts(tmp_path / "pairs" / "parts")) == N // 5  # most units have none, and say so in no row


def test_in_processes_a_damaged_shard_is_reported_and_made_later(run, placed, expected, tmp_path, capsys):
    shards = shards_of(placed, tmp_path / "shards")
    whole = (shards / "part-2.parquet").read_bytes()
    start = pq.read_metadata(shards / "part-2.parquet").row_group(0).column(0).data_page_offset
    (shards / "part-2.parquet").write_bytes(whole[:start] + b"\xff" * 60 + whole[start + 60 :])
    command = ["predict", str(run), str(shards), "--out", str(tmp_path / "out"), "--workers", "2"]
    assert main(command) == 3
    listed = pd.read_csv(tmp_path / "out" / "failed_units.csv")
    assert listed["unit"].tolist() == ["part-2.parquet rows 0 to 19"]
    assert "part-2.parquet' can not be read" in listed["reason"][0]
    assert "1 of 4 units failed" in capsys.readouterr().out
    (shards / "part-2.parquet").write_bytes(whole)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "out" / "parts").iterdir()}
    assert main(command) == 0
    assert "3 of 4 units of work were finished before" in capsys.readouterr().out
    assert {file: file.stat().st_mtime_ns for file in before} == before
    same(parts(tmp_path / "out" / "parts"), expected)
    assert not (tmp_path / "out" / "failed_units.csv").exists()


def test_numbers_that_were_damaged_fail_their_unit(run, placed, tmp_path):
    shards = shards_of(placed, tmp_path / "shards", N // 2)
    file = shards / "part-1.parquet"
    footer = pq.read_metadata(file)
    names = [footer.row_group(0).column(k).path_in_schema for k in range(footer.num_columns)]
    column = footer.row_group(0).column(names.index("luminosity_g"))
    content = bytearray(file.read_bytes())
    for place in range(3):  # of the values, the last of the first page
        content[(column.dictionary_page_offset or column.data_page_offset) + 60 + place] ^= 0x10
    file.write_bytes(content)
    made = predict_parts(run, shards, tmp_path / "out", Here())
    assert [name for name, _ in made.failed_units] == ["part-1.parquet rows 0 to 39"]
    assert "part-1.parquet' can not be read: could not verify page integrity, CRC" in made.failed_units[0][1]
    assert made.n_rows == N // 2


def test_a_catalogue_of_fewer_units_is_not_taken_for_finished(run, placed, expected, tmp_path, monkeypatch):
    shards = shards_of(placed, tmp_path / "shards", N // 2)
    file = shards / "part-1.parquet"
    whole = file.read_bytes()
    start = pq.read_metadata(file).row_group(0).column(0).data_page_offset
    file.write_bytes(whole[:start] + b"\xff" * 60 + whole[start + 60 :])
    said = []
    first = predict_parts(run, shards, tmp_path / "out", Here(), say=said.append)
    assert len(lsdb.open_catalog(first.hats)) == N // 2
    assert said[0].startswith("how the images were stretched is not known")
    assert said[1:] == ["sorting the parts into a HATS catalogue"]
    file.write_bytes(whole)
    with monkeypatch.context() as patch:
        patch.setattr("gzmass.catalogs.hats_output.import_parts", interrupt)
        with pytest.raises(KeyboardInterrupt):
            predict_parts(run, shards, tmp_path / "out", Here())
    last = predict_parts(run, shards, tmp_path / "out", Here())
    assert last.n_found == 2
    same(lsdb.open_catalog(last.hats).compute(), expected.iloc[:-1])


def interrupt(*_):
    raise KeyboardInterrupt


def test_the_reader_of_parts_loads_no_keras():
    code = (
        "import pickle, sys; from gzmass.catalogs.hats_output import PlacedRows; "
        "pickle.loads(pickle.dumps(PlacedRows())); sys.exit('keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


def test_shards_that_do_not_belong_together(placed, make_dataset, tmp_path):
    one = copy_of(placed, tmp_path / "one", "shards")
    two = copy_of(make_dataset(n=20, seed=5, edit=place), tmp_path / "two", "shards")
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(one / "shards" / "part-00000.parquet", bare / "a.parquet")
    assert find_galaxies(bare / "a.parquet").info == {"stretch": open_dataset(placed).info["stretch"]}
    (tmp_path / "link.parquet").symlink_to(bare / "a.parquet")
    shutil.copy(bare / "a.parquet", bare / "b.parquet")
    for other in (bare / "a.parquet", bare / "b.parquet", tmp_path / "link.parquet"):
        with pytest.raises(DataError, match=r"a.parquet' and .* hold the same galaxies: take one of them"):
            find_galaxies([bare / "a.parquet", other])
    shutil.copy(two / "shards" / "part-00000.parquet", bare / "b.parquet")
    with pytest.raises(DataError, match=r"a.parquet' and '.*b.parquet' belong to several datasets"):
        find_galaxies(bare)
    with pytest.raises(DataError, match=r"b.parquet' does not lie in the dataset '.*one', of which others are"):
        find_galaxies([one / "shards" / "part-00000.parquet", bare / "b.parquet"])
    # a shard that says nothing of its dataset is taken, and nothing is known of its images
    without = pq.read_table(bare / "b.parquet")
    pq.write_table(without.replace_schema_metadata(None), bare / "b.parquet")
    pq.write_table(pq.read_table(bare / "a.parquet").replace_schema_metadata(None), bare / "a.parquet")
    assert find_galaxies(bare).info == {}
    with pytest.raises(DataError, match=r"There is no dataset, HATS catalogue or shard at 'nothing'"):
        find_galaxies("nothing")


def test_shards_of_two_bands_with_one_table_do_not_belong_together(placed, tmp_path):
    data, folders = open_dataset(placed), []
    for band in ("g", "r"):
        path = tmp_path / band
        images = zip(
            data.table["id"], 255 - data.images()[..., 0] if band == "r" else data.images()[..., 0], strict=True
        )
        write_dataset(path, data.table, images, {"npix": data.npix, "band": band}, data.tree, storage="shards")
        folders.append(path / "shards" / "part-00000.parquet")
    shutil.copy(folders[0], tmp_path / "a.parquet")
    shutil.copy(folders[1], tmp_path / "b.parquet")
    with pytest.raises(DataError, match="belong to several datasets"):
        find_galaxies([tmp_path / "a.parquet", tmp_path / "b.parquet"])


def test_units_of_files_of_one_name_are_told_apart_and_hold_few_row_groups(placed, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["gzmass.inference.predict_parts"], "_LEAST", 10)
    data = open_dataset(placed)
    table = data.table[["id"]].iloc[:24].assign(image=[encode_png(image) for image in data.images()[:24, ..., 0]])
    for k, folder in enumerate(("Norder=1", "Norder=2")):
        (tmp_path / folder).mkdir()
        table.iloc[12 * k : 12 * k + 12].to_parquet(tmp_path / folder / "Npix=4.parquet", row_group_size=6)
    source = find_galaxies([tmp_path / folder / "Npix=4.parquet" for folder in ("Norder=1", "Norder=2")])
    units = sys.modules["gzmass.inference.predict_parts"]._units(source, tmp_path / "out")
    assert [unit.n_rows for unit in units] == [6] * 4
    assert units[1].name == "Norder=1/Npix=4.parquet rows 6 to 11"
    assert len({unit.name for unit in units}) == 4


def test_on_dask(run, placed, expected, tmp_path):
    with open_engine("dask", workers=1) as engine:
        made = predict_parts(run, shards_of(placed, tmp_path / "shards", 40), tmp_path / "out", engine)
    same(parts(tmp_path / "out" / "parts"), expected)
    same(lsdb.open_catalog(made.hats).compute(), expected.iloc[:-1])


def test_a_directory_holds_predictions_of_one_run_and_input(run, placed, galaxies, tmp_path):
    predict_parts(run, placed, tmp_path / "out", Here())
    with pytest.raises(ConfigError, match=r"holds predictions made from another input \(recipe.yaml says"):
        predict_parts(run, galaxies, tmp_path / "out", Here())
    with pytest.raises(ConfigError, match=r"made from another split"):
        predict_parts(run, placed, tmp_path / "out", Here(), split="test")
    other = copy_of(run, tmp_path / "run")
    card = yaml.safe_load((other / "card.yaml").read_text())
    for change in ({"weights_hash": "0"}, {"calibration": None}, {"test_time_augmentation": 8}):
        (other / "card.yaml").write_text(yaml.safe_dump({**card, **change}))
        with pytest.raises(ConfigError, match=r"made from another run"):
            predict_parts(other, placed, tmp_path / "out", Here())
    part = next((tmp_path / "out" / "parts").iterdir())
    pq.write_table(pq.read_table(part).replace_schema_metadata({}), part)
    with pytest.raises(DataError, match=r"part-.*' is damaged or was not made by this run"):
        predict_parts(run, placed, tmp_path / "out", Here())
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"part-.*' is damaged or was not made by this run"):
        predict_parts(run, placed, tmp_path / "out", Here())
    (tmp_path / "out" / "recipe.yaml").write_text("run: [")
    with pytest.raises(ConfigError, match=r"recipe.yaml', which says what predictions were made from, is damaged"):
        predict_parts(run, placed, tmp_path / "out", Here())


def test_a_missing_id_would_cost_the_others_their_digits(run, placed, tmp_path):
    shards = shards_of(placed, tmp_path / "bare")
    table = pq.read_table(shards / "part-1.parquet")
    ids = pa.array([None, *table["id"].to_pylist()[1:]], pa.int64())
    pq.write_table(table.set_column(table.schema.get_field_index("id"), "id", ids), shards / "part-1.parquet")
    made = predict_parts(run, shards, tmp_path / "out", Here())
    assert [name for name, _ in made.failed_units] == ["part-1.parquet rows 0 to 19"]
    assert "must hold an id for each galaxy. Received: 1 missing ones" in made.failed_units[0][1]
    assert parts(tmp_path / "out")["id"].dtype == np.int64


def test_where_no_galaxy_can_be_predicted_the_exit_code_says_so(run, placed, tmp_path):
    table = open_dataset(placed).table.head(20).drop(columns="split")
    write_shard(tmp_path / "bad.parquet", table, [b"no image"] * 20)
    arguments = ["predict", str(run), str(tmp_path / "bad.parquet"), "--out"]
    assert main([*arguments, f"{tmp_path}/out/"]) == 3
    assert parts(tmp_path / "out")["status"].tolist() == ["failed"] * 20


def test_a_hats_catalogue_that_is_being_completed_can_not_be_opened(run, sky, tmp_path, monkeypatch):
    galaxies = find_galaxies(sky, "objid", "png")
    made = predict_parts(run, galaxies, tmp_path / "out", Here())
    next(made.hats.rglob("part-*.parquet")).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["gzmass.inference.predict_parts"], "run_units", interrupt)
        with pytest.raises(KeyboardInterrupt):
            predict_parts(run, galaxies, tmp_path / "out", Here())
    assert not [*made.hats.glob("*properties")]
    predict_parts(run, galaxies, tmp_path / "out", Here())
    assert len(lsdb.open_catalog(made.hats)) == N - 1


def test_bad_shards(run, placed, make_dataset, tmp_path):
    shards = shards_of(placed, tmp_path / "bare")
    out, file = tmp_path / "out", shards / "part-1.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    with pytest.raises(DataError, match=r"part-1.parquet' is damaged"):
        predict_parts(run, shards, out, Here())
    file.unlink()
    with pytest.raises(DataError, match=r"part-1.parquet' does not exist"):
        predict_parts(run, [shards / "part-0.parquet", file], out, Here())
    pq.write_table(pq.read_table(shards / "part-0.parquet").drop_columns("redshift"), file)
    with pytest.raises(DataError, match=r"do not belong together: they differ in the column 'redshift'"):
        predict_parts(run, shards, out, Here())
    with pytest.raises(DataError, match=r"has no column 'png' \(--images\)"):
        predict_parts(run, find_galaxies(shards / "part-0.parquet", image_column="png"), out, Here())
    with pytest.raises(DataError, match=r"has no column 'objid' \(--id\)"):
        find_galaxies(shards / "part-0.parquet", "objid")
    with pytest.raises(DataError, match=r"'ra' .*must hold integers or text"):
        find_galaxies(shards / "part-0.parquet", "ra")
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "card.yaml").touch()
    with pytest.raises(DataError, match=r"run' is a run, no galaxies: runs come first"):
        find_galaxies(tmp_path / "run")
    with pytest.raises(DataError, match=r"empty' is no dataset, no HATS catalogue, and has no Parquet files"):
        find_galaxies(tmp_path / "empty")
    # in dataset directories
    one = copy_of(placed, tmp_path / "one", "shards")
    two = copy_of(make_dataset(n=10, seed=5, edit=place), tmp_path / "two", "shards")
    with pytest.raises(DataError, match=r"belong to several datasets"):
        find_galaxies([one / "shards" / "part-00000.parquet", two / "shards" / "part-00000.parquet"])
    shutil.copy(two / "shards" / "part-00000.parquet", one / "shards" / "part-00000.parquet")
    for source in (one, one / "shards"):
        with pytest.raises(DataError, match=r"part-00000.parquet' is none of the dataset .*one'"):
            find_galaxies(source)
    (one / "shards" / "part-00000.parquet").unlink()
    with pytest.raises(DataError, match=r"part-00000.parquet' does not exist"):
        find_galaxies(one)
    assert not out.exists()


def test_runs_that_do_not_fit(run, placed, make_dataset, tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.raises(DataError, match=r"takes images of 32 px, the galaxies of .* have 24 px"):
        predict_parts(run, make_dataset(n=10, npix=24), out, Here())
    with pytest.raises(DataError, match=r"takes images of 32 px, the galaxies of .* have 24 px"):
        predict_parts(run, shards_of(make_dataset(n=20, npix=24), tmp_path / "large"), out, Here())
    other = copy_of(run, tmp_path / "other")
    card = yaml.safe_load((other / "card.yaml").read_text())
    (other / "card.yaml").write_text(yaml.safe_dump({**card, "tree": {"name": "bars"}, "tree_hash": "0123"}))
    with pytest.raises(
        DataError, match=r"learnt votes of the tree 'bars' \(hash 0123\), the galaxies of .* of another"
    ):
        predict_parts(other, placed, out, Here())
    shards = shards_of(placed, tmp_path / "bare", N)
    table = pq.read_table(shards / "part-0.parquet")
    pq.write_table(table.drop_columns("distance_mpc"), shards / "part-0.parquet")
    with pytest.raises(DataError, match=r"needs the numerical metadata column 'distance_mpc'"):
        predict_parts(run, shards, out, Here())
    with pytest.raises(DataError, match=r"absent' does not exist"):
        predict_parts(tmp_path / "absent", placed, out, Here())
    with pytest.raises(DataError, match=r"holds no finished run"):
        predict_parts(tmp_path, placed, out, Here())
    assert not out.exists()
    for arguments, sentence in (
        (["--workers", "0"], "Invalid value for '--workers'"),
        (["--id", "objid"], "option --id is for shards and HATS catalogues"),
    ):
        assert main(["predict", str(run), str(placed), "--out", "p.csv", *arguments]) == 2
        assert sentence in capsys.readouterr().err
    for arguments in (["--workers", "2"], ["--engine", "dask"]):
        assert main(["predict", str(run), str(placed), "--out", "p.csv", *arguments]) == 2
        assert "need a directory for the parts" in capsys.readouterr().err
    assert main(["predict", str(run), str(placed), "--out", str(out), "--scheduler", "tcp://a:1"]) == 2
    assert "--scheduler needs --engine dask" in capsys.readouterr().err
