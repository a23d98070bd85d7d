import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from gzmass.datasets import change_storage, open_dataset, shards, storage, write, write_dataset
from gzmass.datasets.pixels import PixelFile
from gzmass.datasets.shards import read_shard_piece, shard_pieces, write_shard
from gzmass.datasets.write import encode_png
from gzmass.errors import ConfigError, DataError
from gzmass.tree import load_tree

TREE = load_tree("gz2")
FIRST = 1237648721789256091
N, NPIX = 30, 16


@pytest.fixture(scope="module", autouse=True)
def small_shards():
    """Shards of twelve galaxies in row groups of five: three of them, the last not full."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "GROUP_ROWS", 5)
        patch.setattr(storage, "GROUP_ROWS", 5)
        patch.setattr(storage, "shard_rows", lambda _: 12)
        patch.setattr(write, "GROUP_ROWS", 7)
        yield


def make_table(seed=1):
    rng = np.random.default_rng(seed)
    ids = FIRST + rng.permutation(N)  # in no order
    table = pd.DataFrame({"id": ids, "redshift": rng.uniform(0, 0.2, N), "split": ["train", "val", "test"] * 10})
    table["log_ml_g"] = np.where(np.arange(N) % 3 == 0, np.nan, 0.2)
    table["name"] = [f"galaxy {k}" for k in range(N)]
    for stem in TREE.stems:
        table[f"{stem}_votes"] = rng.uniform(0, 5, N)
    return table


def make_images(table, npix=NPIX, seed=2):
    rng = np.random.default_rng(seed)
    return [(i, rng.integers(0, 256, (npix, npix), dtype=np.uint8)) for i in table["id"]]


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    folder, table = tmp_path_factory.mktemp("templates"), make_table()
    for kind in ("files", "shards"):
        write_dataset(folder / kind, table, make_images(table), {"npix": NPIX}, TREE, storage=kind)
    return folder


@pytest.fixture
def path(templates, tmp_path):
    return shutil.copytree(templates / "shards", tmp_path / "ds")


def contents(path):
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and "cache" not in file.parts
    }


def test_a_shard_is_read_piece_by_piece(tmp_path):
    table = make_table()
    pngs = [encode_png(image) for _, image in make_images(table)]
    write_shard(tmp_path / "a.parquet", table[:12], pngs[:12])
    write_shard(tmp_path / "b.parquet", table[12:], pngs[12:])
    pieces = shard_pieces([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    assert [(piece.first_row, piece.n_rows) for piece in pieces] == [
        (0, 5), (5, 5), (10, 2), (12, 5), (17, 5), (22, 5), (27, 3),
    ]  # fmt: skip
    for piece in pieces:
        rows = slice(piece.first_row, piece.first_row + piece.n_rows)
        found, images = read_shard_piece(piece)
        pd.testing.assert_frame_equal(found, table[rows].reset_index(drop=True))
        assert images == pngs[rows]
        assert list(read_shard_piece(piece, ["redshift", "id"])[0]) == ["redshift", "id"]
    with pytest.raises(DataError, match=r"a.parquet' has no column 'colour'"):
        read_shard_piece(pieces[0], ["colour"])


def test_hugging_face_datasets_reads_images(path, tmp_path):
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    files = str(path / "shards" / "*.parquet")
    found = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"), split="train")
    table = make_table()
    assert isinstance(found.features["image"], datasets.Image)
    assert found["id"][:] == table["id"].tolist()
    assert found["name"][:] == table["name"].tolist()
    for row, (_, pixels) in zip(found, make_images(table), strict=True):
        assert row["image"].format == "PNG"
        assert (np.asarray(row["image"]) == pixels).all()


def test_both_storages_are_the_same_dataset(templates):
    files, packed = (open_dataset(templates / kind) for kind in ("files", "shards"))
    assert sorted(file.name for file in packed.path.iterdir()) == [
        "catalog.parquet", "dataset.yaml", "recipe.yaml", "shards",
    ]  # fmt: skip
    assert [shard["rows"] for shard in packed.info["shards"].values()] == [12, 12, 6]
    assert files.info["content_hash"] == packed.info["content_hash"]
    assert files.info["storage"] == "files"
    assert files.table.equals(packed.table)
    rows = [29, 3, 3, 12, 0]
    expected = np.stack([image for _, image in make_images(make_table())])[..., None]
    for dataset in (files, packed):
        assert (dataset.images(rows) == expected[rows]).all()
        assert (dataset.images("val") == expected[dataset.rows("val")]).all()
        assert dataset.images([]).shape == (0, NPIX, NPIX, 1)
        assert dataset.pngs([7]) == [encode_png(expected[7, ..., 0])]
        assert not (dataset.path / "cache").exists()
        batches = dataset.batches("train", batch_size=4, shuffle=True, seed=3)
        assert (dataset.path / "cache").is_dir()
        pixels = np.concatenate([batches[k][0]["image"] for k in range(len(batches))])
        assert (pixels == expected[dataset.rows("train")[batches.order()]]).all()
        shutil.rmtree(dataset.path / "cache")


def test_writing_shards_goes_on_and_gives_the_same_bytes(templates, tmp_path):
    table = make_table()

    def stops_after(n):
        yield from make_images(table)[:n]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "ds", table, stops_after(18), {"npix": NPIX}, TREE, storage="shards")
    with pytest.raises(DataError, match="not a finished dataset"):
        open_dataset(tmp_path / "ds")
    # fourteen are kept, in two parcels
    write_dataset(tmp_path / "ds", table, make_images(table)[14:], {"npix": NPIX}, TREE, storage="shards")
    assert contents(tmp_path / "ds") == contents(templates / "shards")
    with pytest.raises(DataError, match=r"lacks the image '\d+.png'"):
        write_dataset(tmp_path / "less", table, make_images(table)[:-1], {"npix": NPIX}, TREE, storage="shards")
    with pytest.raises(ConfigError, match=r"files, shards. Received: storage='zip'"):
        write_dataset(tmp_path / "zip", table, make_images(table), {"npix": NPIX}, TREE, storage="zip")
    assert not (tmp_path / "zip").exists()


@pytest.mark.parametrize("kind", ["files", "shards"])
def test_the_storage_changes_in_place_whenever_it_is_interrupted(templates, tmp_path, monkeypatch, kind):
    other = "shards" if kind == "files" else "files"
    interrupted = []
    for stop in (*range(13), 25, 60):
        path = shutil.copytree(templates / kind, tmp_path / str(stop))
        with monkeypatch.context() as patch:
            stop_at(patch, stop)
            try:
                change_storage(path, other)
                interrupted.append(False)
            except KeyboardInterrupt:
                interrupted.append(True)
                assert len(open_dataset(path).images()) == N  # it is a whole dataset at any moment
        change_storage(path, other)
        assert contents(path) == contents(templates / other)
    assert interrupted[0]
    assert not interrupted[-1]


def stop_at(patch, n):
    """Let the n-th rename or removal of a file be an interruption."""
    count = [0]

    def counted(function):
        def call(*arguments, **kwargs):
            if "partial" in str(arguments[0]) and function is original["unlink"]:
                return function(*arguments, **kwargs)  # that is the tidying up after the interruption
            count[0] += 1
            if count[0] > n:
                raise KeyboardInterrupt
            return function(*arguments, **kwargs)

        return call

    original = {"unlink": Path.unlink, "replace": Path.replace}
    patch.setattr(os, "replace", counted(os.replace))
    for name, function in original.items():
        patch.setattr(Path, name, counted(function))


def replace_image(path, row, png):
    """Write other bytes in place of an image, by another program, which leaves no hash."""
    file = path / "shards" / "part-00000.parquet"
    parts = [read_shard_piece(piece) for piece in shard_pieces([file])]
    table, pngs = pd.concat([part for part, _ in parts], ignore_index=True), [png for _, some in parts for png in some]
    pngs[row] = png
    write_shard(file, table, pngs)
    info = yaml.safe_load((path / "dataset.yaml").read_text())
    info["shards"]["part-00000.parquet"] = {"rows": 12}
    (path / "dataset.yaml").write_text(yaml.safe_dump(info, sort_keys=False))


def put_bytes(file, where, data):
    content = bytearray(file.read_bytes())
    content[where : where + len(data)] = data
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p, _: (p / "part-00001.parquet").unlink(), r"part-00001.parquet' does not exist"),
        (lambda p, _: (p / "part-00001.parquet").write_bytes(b"PAR1"), r"part-00001.parquet' can not be read"),
        (lambda p, _: put_bytes(p / "part-00002.parquet", -20, b"\0" * 20), r"part-00002.parquet' can not be read"),
        (
            lambda p, other: shutil.copy(other / "part-00001.parquet", p / "part-00001.parquet"),
            r"part-00001.parquet' is not the one that dataset.yaml lists: it is of another dataset",
        ),
        (
            lambda p, _: shutil.copy(p / "part-00000.parquet", p / "part-00001.parquet"),
            r"part-00001.parquet' is not the one",
        ),
        (
            lambda p, _: pd.DataFrame({"id": [1]}).to_parquet(p / "part-00000.parquet"),
            r"part-00000.parquet' has no column 'image'",
        ),
    ],
)
def test_what_is_wrong_with_shards_is_said_when_they_are_opened(path, tmp_path, damage, message):
    table = make_table(7)
    other = write_dataset(tmp_path / "other", table, make_images(table), {"npix": NPIX}, TREE, storage="shards")
    damage(path / "shards", other / "shards")
    with pytest.raises(DataError, match=message):
        open_dataset(path)


def test_what_is_wrong_in_shards_is_said_when_they_are_read(path):
    file = path / "shards" / "part-00001.parquet"
    whole = file.read_bytes()
    put_bytes(file, whole.index(b"\x89PNG") + 60, b"\0\0\0")
    with pytest.raises(DataError, match=r"part-00001.parquet' can not be read: .*checksum"):
        open_dataset(path).images()
    file.write_bytes(whole)

    assert open_dataset(path).images([0, 20]).any()
    for png, reason in {
        b"GIF89a": r"galaxy \d+ in the shard .*part-00000.parquet' can not be used: .* it is no PNG",
        None: r"can not be used: there is no image",
        encode_png(np.zeros((20, 20), np.uint8)): r"has 20 x 20 pixels of type uint8 instead of 16 x 16",
        encode_png(np.zeros((16, 16, 3), np.uint8)): r"has 16 x 16 x 3 pixels",
        encode_png(np.zeros((16, 16), np.uint8))[:-30]: r"can not be read: ",
    }.items():
        replace_image(path, 3, png)
        for read in (lambda ds: ds.images(), lambda ds: ds.pixels):
            with pytest.raises(DataError, match=reason):
                read(open_dataset(path))
        assert not list(path.glob("cache/*"))
        assert open_dataset(path).images([0, 20]).any()


def test_shards_of_another_program_are_compared_by_their_ids(path):
    info = yaml.safe_load((path / "dataset.yaml").read_text())
    info["shards"] = {name: {"rows": shard["rows"]} for name, shard in info["shards"].items()}
    (path / "dataset.yaml").write_text(yaml.safe_dump(info, sort_keys=False))
    assert open_dataset(path).images().any()
    first, second = (path / "shards" / f"part-0000{k}.parquet" for k in range(2))
    first.replace(path / "x")
    second.replace(first)
    (path / "x").replace(second)
    with pytest.raises(
        DataError, match=r"part-00000.parquet' holds other galaxies than catalog.parquet .* rows 0 to 4"
    ):
        open_dataset(path).images([2])
    second.unlink()
    del info["shards"]["part-00001.parquet"]
    (path / "dataset.yaml").write_text(yaml.safe_dump(info, sort_keys=False))
    with pytest.raises(DataError, match=r"shards of '.*ds' hold 18 galaxies, its catalog.parquet 30"):
        open_dataset(path)
    info["storage"] = "zip"
    (path / "dataset.yaml").write_text(yaml.safe_dump(info, sort_keys=False))
    with pytest.raises(DataError, match=r"dataset.yaml' has the storage 'zip'; allowed are files, or shards"):
        open_dataset(path)


def test_text_ids_in_shards(tmp_path):
    table = pd.DataFrame({"id": ["J12/+3", "../up", "J1"], "split": "test"})
    images = [(i, np.full((8, 8), k, dtype=np.uint8)) for k, i in enumerate(table["id"])]
    ds = open_dataset(write_dataset(tmp_path / "ds", table, images, {"npix": 8}, storage="shards"))
    assert ds.images([2, 0, 1])[:, 0, 0, 0].tolist() == [2, 0, 1]


def test_pixels_are_read_row_by_row(tmp_path):
    expected = np.random.default_rng(0).integers(0, 256, (9, 4, 4), dtype=np.uint8)
    np.save(tmp_path / "pixels.npy", expected)
    pixels = PixelFile(tmp_path / "pixels.npy")
    assert (pixels.shape, len(pixels), pixels.dtype) == ((9, 4, 4), 9, np.uint8)
    for rows in ([3, 0, 3], [], [-1], np.asarray([8]), slice(2, 7, 2), slice(None)):
        assert (pixels[rows] == expected[rows]).all()
    assert (np.asarray(pickle.loads(pickle.dumps(pixels))) == expected).all()  # noqa: S301  bytes of this very line
    for row in (9, -10):
        with pytest.raises(IndexError):
            pixels[[row]]
    (tmp_path / "pixels.npy").unlink()
    assert (pixels[[5]] == expected[[5]]).all()
    np.save(tmp_path / "short.npy", expected)
    short = PixelFile(tmp_path / "short.npy")
    os.truncate(tmp_path / "short.npy", 128 + 8 * 16 + 3)
    with pytest.raises(DataError, match=r"short.npy' was cut short"):
        short[[8]]


def test_a_damaged_cache_is_made_again(path):
    expected = open_dataset(path).pixels[:]
    (cache,) = (path / "cache").iterdir()
    os.truncate(cache, cache.stat().st_size - 1)
    assert (open_dataset(path).pixels[:] == expected).all()
