"""The command line: the main job from images to a table, and one sentence and exit code 2 for every bad input."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from gzmass.cli import main
from gzmass.datasets.write import begin_dataset
from gzmass.tree import load_tree

# that of Slurm holds the keys of dask-jobqueue, for a command of which it is no configuration
CONFIGS = sorted(
    set((Path(__file__).parents[2] / "configs").glob("*.yaml")) - {Path(__file__).parents[2] / "configs" / "slurm.yaml"}
)
FIRST = 1237648721789256091
TREE = load_tree("gz2")


def files(path):
    """All that stands in a folder, and when it was written."""
    return {f: f.stat().st_mtime_ns for f in sorted(path.rglob("*")) if "cache" not in f.parts}


# ---- the main job ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Forty galaxies as a user brings them: PNG images, votes and M/L in CSV files; one bad image, one M/L of 10^9."""
    folder, n = tmp_path_factory.mktemp("survey"), 40
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:24, :24] - 11.5
    (folder / "images").mkdir()
    size = rng.uniform(1.5, 4, n)
    ids = FIRST + np.arange(n)
    for i, s in zip(ids, size, strict=True):
        image = 20 + 200 * np.exp(-(x**2 + y**2) / (2 * s**2)) + rng.normal(0, 4, x.shape)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{i}.png")
    (folder / "images" / f"{ids[5]}.png").write_bytes(b"no image")
    votes = pd.DataFrame(rng.integers(1, 20, (n, TREE.n_answers)), columns=[f"{stem}_votes" for stem in TREE.stems])
    votes.insert(0, "objid", ids)
    votes.to_csv(folder / "votes.csv", index=False)
    ratios = pd.DataFrame({"objid": ids, "ml": size / 4 - 0.3, "err": 0.05, "L": 10 ** rng.normal(10, 0.3, n)})
    ratios["z"] = rng.uniform(0, 0.2, n)
    ratios.loc[7, "ml"] = 1e9
    ratios.to_csv(folder / "ml.csv", index=False)

    def spoil(name, table, **columns):
        table.assign(**columns).to_csv(folder / name, index=False)

    spoil("twice.csv", votes, objid=[ids[0], *ids[:-1]])
    spoil("floats.csv", votes, objid=ids.astype(float))
    spoil("negative.csv", votes, **{f"{TREE.stems[3]}_votes": -2})
    spoil("huge.csv", ratios, ml=1e9)
    cycle = [
        {"name": "a", "parents": ["b_yes"], "answers": [{"name": "yes"}, {"name": "no"}]},
        {"name": "b", "parents": ["a_yes"], "answers": [{"name": "yes"}, {"name": "no"}]},
    ]
    root = {"name": "root", "answers": [{"name": "yes"}, {"name": "no"}]}
    (folder / "cycle.yaml").write_text(yaml.safe_dump({"name": "mine", "questions": [root, *cycle]}))
    cycle[0]["parents"] = ["root_yes"]
    (folder / "my_tree.yaml").write_text(yaml.safe_dump({"name": "mine", "questions": [root, *cycle]}))
    small = {"model": {"hidden": 8}, "optimization": {"batch_size": 8}, "test_time_augmentation": 1}
    configurations = {
        "prepare": {
            "out": str(folder / "data"),
            "images": {"folder": str(folder / "images"), "pattern": "{id}.png"},
            "npix": 32,
            "votes": {"file": str(folder / "votes.csv"), "id": "objid"},
            "mass_to_light": {
                "file": str(folder / "ml.csv"),
                "id": "objid",
                "columns": {"log_ml_g": "ml", "log_ml_g_err": "err", "luminosity_g": "L", "redshift": "z"},
            },
            "split": {"fractions": {"train": 0.5, "val": 0.25, "test": 0.25}},
        },
        "pretrain": {
            "dataset": str(folder / "data"),
            "out": str(folder / "pretrained"),
            **small,
            "stages": [{"name": "votes", "epochs": 2}],
        },
        "finetune": {
            "dataset": str(folder / "data"),
            "out": str(folder / "finetuned"),
            "init_from": str(folder / "pretrained"),
            "metadata": ["luminosity_g"],
            "vote_loss_weight": 0.1,
            **small,
            "stages": [{"name": "all", "epochs": 1}],
        },
    }
    for name, values in configurations.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values))
    return folder


@pytest.fixture(scope="module")
def data(survey):
    assert main(["prepare", str(survey / "prepare.yaml")]) == 0
    return survey / "data"


@pytest.fixture(scope="module")
def pretrained(survey, data):  # noqa: ARG001
    assert main(["pretrain-gz2", str(survey / "pretrain.yaml")]) == 0
    return survey / "pretrained"


@pytest.fixture(scope="module")
def finetuned(survey, pretrained):  # noqa: ARG001
    assert main(["finetune-ml", str(survey / "finetune.yaml")]) == 0
    return survey / "finetuned"


def test_prepare_sets_single_bad_things_aside_and_says_so(survey, data, gzmass):
    before = files(data)
    code, out, err = gzmass("prepare", survey / "prepare.yaml")
    assert (code, err) == (0, "")
    assert "all: galaxies 39, votes 39, log_ml 38" in out
    assert "set aside: mass_to_light 1, images 1" in out
    assert out.endswith(f"-> {data}\n")
    set_aside = pd.read_csv(data / "quarantine.csv")
    assert sorted(set_aside["id"] - FIRST) == [5, 7]
    images = {path: time for path, time in before.items() if path.suffix == ".png"}
    assert len(images) == 39
    assert {path: time for path, time in files(data).items() if path in images} == images


def test_an_interrupted_training_goes_on_and_a_finished_one_stays(survey, data, gzmass, monkeypatch):  # noqa: ARG001
    from gzmass.training.checkpoint import Checkpoint

    out = survey / "interrupted"
    command = ["pretrain-gz2", survey / "pretrain.yaml", f"out={out}"]
    write = Checkpoint.write

    def interrupted(*arguments):
        write(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "write", interrupted)
        code, _, err = gzmass(*command)
    assert (code, err.strip()) == (130, "Interrupted. Run the same command again to go on.")
    assert not (out / "card.yaml").exists()
    code, shown, _ = gzmass(*command)
    assert code == 0
    assert "votes: epoch 2/2" in shown
    assert "votes: epoch 1/2" not in shown
    assert "votes RMSE" in shown
    before = files(out)
    code, shown, _ = gzmass(*command)
    assert (code, files(out)) == (0, before)
    assert shown.endswith(f"-> {out}\n")


def test_finetuning_again_does_nothing_and_tells_the_same(survey, finetuned, gzmass):
    before = files(finetuned)
    code, out, err = gzmass("finetune-ml", survey / "finetune.yaml")
    assert (code, err, files(finetuned)) == (0, "", before)
    assert "M/L RMSE" in out
    assert "it was finished before, and nothing was made anew" in out
    assert "epoch" not in out


def test_evaluate_makes_a_report_and_the_same_one_again(survey, data, finetuned, gzmass):
    results = []
    for name in ("one", "two"):
        out = survey / name
        code, shown, err = gzmass("evaluate", finetuned, data, "--split", "val", "--out", out, "--compare", finetuned)
        assert (code, err) == (0, "")
        assert shown.endswith(f"-> {out / 'report.html'}\n")
        for row in ("this run", "constant", "metadata", "image statistics", "votes: RMSE", "[dex]"):
            assert row in shown
        results.append(json.loads((out / "metrics.json").read_text()))
    assert results[0] == results[1]
    table = {row["name"]: row["rmse_dex"] for row in results[0]["mass_to_light"]["table"]}
    (other,) = (name for name in table if name.startswith(str(finetuned)))
    assert re.fullmatch(r" \(has seen \d+ of these galaxies\)", other.removeprefix(str(finetuned)))
    assert table["this run"] == pytest.approx(table[other])


def test_reports_of_two_datasets_of_one_name_stand_side_by_side(data, pretrained, gzmass, tmp_path):
    reports = []
    for content in ("0123abcd", "abcd0123"):
        other = tmp_path / content / "69px"
        shutil.copytree(data, other, ignore=shutil.ignore_patterns("cache"))
        info = yaml.safe_load((other / "dataset.yaml").read_text())
        (other / "dataset.yaml").write_text(yaml.safe_dump(info | {"content_hash": content * 8}))
        assert gzmass("evaluate", pretrained, other, "--split", "val", "--no-baselines")[0] == 0
        reports.append(pretrained / f"evaluation-val-69px-{content}")
    assert [(report / "report.html").is_file() for report in reports] == [True, True]
    for report in reports:
        shutil.rmtree(report)


def test_a_run_without_mass_to_light_is_evaluated_on_votes(survey, data, pretrained, gzmass):
    code, out, err = gzmass("evaluate", pretrained, data, "--out", survey / "votes", "--no-baselines")
    assert (code, err) == (0, "")
    assert "votes: RMSE" in out
    assert out.count("the predictions hold no M/L") == 1
    assert "nothing on mass to light, stellar mass: the predictions hold no M/L" in out


def test_predict_writes_the_same_table_twice(survey, data, finetuned, gzmass):
    out = survey / "predictions.csv"
    written = []
    for _ in range(2):
        code, shown, err = gzmass("predict", finetuned, data, "--out", out)
        assert (code, err) == (0, "")
        assert shown.startswith("Predicting the split all of ")
        assert "39 galaxies, " in shown
        assert shown.endswith(f"-> {out}\n")
        written.append(out.read_bytes())
    assert written[0] == written[1]
    table = pd.read_csv(out)
    assert sorted(table["id"] - FIRST) == [k for k in range(40) if k != 5]
    assert {"log_ml_g", "log_mstar", "t01_smooth_or_features_a01_smooth_fraction", "in_domain"} <= set(table)


# ---- show ------------------------------------------------------------------------------------------------------------


def test_show_trees(survey, gzmass):
    code, out, _ = gzmass("show", "tree")
    assert code == 0
    assert out.startswith("Decision tree gz2: 11 questions, 37 answers")
    code, out, _ = gzmass("show", survey / "my_tree.yaml")
    assert code == 0
    assert "Decision tree mine: 3 questions, 6 answers" in out
    assert ", after root_yes" in out


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_show_every_configuration_that_comes_with_the_package(gzmass, path):
    code, out, err = gzmass("show", path)
    assert (code, err) == (0, "")
    command = {"prepare": "prepare", "pretrain": "pretrain-gz2", "finetune": "finetune-ml"}.get(
        path.name.split("_")[0], "experiment"
    )
    assert out.startswith(f"Configuration of gzmass {command};")
    assert "(default)" in out


def test_show_says_what_reads_a_slurm_configuration(refused):
    message = refused("show", Path(__file__).parents[2] / "configs" / "slurm.yaml")
    assert "describes Slurm jobs: --slurm of gzmass predict" in message


def test_show_configurations_by_what_they_are_for(survey, gzmass):
    for name, command in (("prepare", "prepare"), ("pretrain", "pretrain-gz2"), ("finetune", "finetune-ml")):
        code, out, _ = gzmass("show", survey / f"{name}.yaml")
        assert code == 0
        assert out.startswith(f"Configuration of gzmass {command};")


def test_what_is_shown_can_be_typed_back(survey, refused, gzmass):
    _, out, _ = gzmass("show", survey / "pretrain.yaml")
    assert "n_labels: null  (default)" in out
    assert "tensorboard: false  (default)" in out
    message = refused("pretrain-gz2", survey / "pretrain.yaml", "n_labels=None")
    assert "'n_labels' has the value 'None': " in message
    assert "; in YAML these are null, true and false." in message


@pytest.mark.parametrize(
    ("command", "file", "other"),
    [
        ("prepare", "finetune", "finetune-ml"),
        ("pretrain-gz2", "prepare", "prepare"),
        ("experiment", "pretrain", "pretrain-gz2"),
    ],
)
def test_a_configuration_of_another_command_is_told_as_such(survey, refused, command, file, other):
    message = refused(command, survey / f"{file}.yaml")
    assert message.endswith(f"{file}.yaml looks like a configuration of gzmass {other}.\n")


def test_show_tells_a_file_that_is_something_else(refused, tmp_path):
    (tmp_path / "cluster.yaml").write_text("cores: 4\nmemory: 8GB\n")
    message = refused("show", tmp_path / "cluster.yaml")
    assert "is no tree, and none of its keys is one of gzmass prepare, pretrain-gz2, finetune-ml, experiment" in message


def test_show_a_dataset_and_runs(data, pretrained, finetuned, gzmass):
    code, out, _ = gzmass("show", data)
    assert code == 0
    assert "39 galaxies, images of 32 px" in out
    assert "log_ml_g: 38" in out
    assert "37 of 37 answers" in out
    code, out, _ = gzmass("show", pretrained)
    assert code == 0
    assert "pretrain-gz2, 32 px, trunk cnn5" in out
    code, out, _ = gzmass("show", finetuned)
    assert code == 0
    assert "metadata: luminosity_g" in out
    assert f"started from: {pretrained}, copied trunk, morphology" in out
    assert "intervals calibrated on " in out


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["votes.file=absent.csv"], ["'absent.csv' does not exist"]),
        (["images.folder=absent"], ["'absent' does not exist"]),
        (["votes.id=dr7objid"], ["no column 'dr7objid'", "votes.csv"]),
        (["mass_to_light.columns.log_ml_g=colour"], ["no column 'colour'", "ml.csv"]),
        (["votes.file=twice.csv"], [f"The id {FIRST} stands more than once", "twice.csv"]),
        (["votes.file=floats.csv"], ["column 'objid' of 'floats.csv'", "floating-point", "1.237648721789256"]),
        (["votes.file=negative.csv"], ["Every row of", f"galaxy {FIRST}, -2", TREE.stems[3], "negative.csv"]),
        (["mass_to_light.file=huge.csv"], ["column 'ml' of 'huge.csv'", "allowed are -3 to 3", "1e+09"]),
        (["votes.tree=cycle.yaml"], ["cycle.yaml", "cycle", "'a'"]),
        (["votes.tree=absent.yaml"], ["'absent.yaml' does not exist"]),
        (["npixels=20"], ["no key 'npixels'", "did you mean 'npix'?"]),
        (["images.patern=x"], ["no key 'images.patern'", "did you mean 'pattern'?"]),
        (["images.folder=fits"], ["no image that matches", "{id}.png"]),
        (["images.folder=broken"], ["None of the 2 images can be used", "1.png", "can not be read"]),
        (["cutout.pixels=30"], ["None of the 40 images can be used", "smaller than the cutout"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_prepare_refuses(survey, refused, tmp_path, monkeypatch, overrides, named):
    monkeypatch.chdir(survey)
    for folder, names in {"fits": ["readme.txt"], "broken": ["1.png", "2.png"]}.items():
        for name in names:
            (survey / folder).mkdir(exist_ok=True)
            (survey / folder / name).write_bytes(b"no image")
    if overrides == ["images.folder=broken"]:
        overrides = [*overrides, "votes=null", "mass_to_light=null"]
    message = refused("prepare", "prepare.yaml", f"out={tmp_path / 'out'}", *overrides)
    for text in named:
        assert text in message
    assert not list(tmp_path.iterdir())


def test_a_configuration_that_is_missing(refused, tmp_path):
    for command in ("prepare", "pretrain-gz2", "finetune-ml", "experiment"):
        assert "absent.yaml' does not exist" in refused(command, tmp_path / "absent.yaml")


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["dataset=absent"], ["dataset 'absent' does not exist"]),
        (["model.hiden=8"], ["no key 'model.hiden'", "did you mean 'hidden'?"]),
        (["stages.0.epochs=none"], ["'stages.0.epochs' has the value 'none'"]),
        (["n_labels=1000"], ["'n_labels' has the value 1000"]),
        (["stages.0.train=9"], ["blocks to 5", "9"]),
        (["model.trunk=cnn4"], ["cnn4", "32"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_training_refuses(survey, finetuned, refused, tmp_path, command, overrides, named):  # noqa: ARG001
    name = {"pretrain": "pretrain-gz2", "finetune": "finetune-ml"}[command]
    message = refused(name, survey / f"{command}.yaml", f"out={tmp_path / 'out'}", *overrides)
    for text in named:
        assert text in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["metadata=[colour]"], ["no numerical column 'colour'"]),
        (["init_from=absent"], ["'absent' does not exist"]),
        (["linear_metadata=[redshift]"], ["'redshift'", "not among metadata"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_finetuning_refuses(survey, finetuned, refused, tmp_path, overrides, named):  # noqa: ARG001
    message = refused("finetune-ml", survey / "finetune.yaml", f"out={tmp_path / 'out'}", *overrides)
    for text in named:
        assert text in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("command", "column"), [("pretrain", "_votes"), ("finetune", "log_ml_g")])
@pytest.mark.parametrize("split", ["train", "val"])
def test_no_labels_at_all_in_a_split(survey, data, pretrained, refused, tmp_path, command, column, split):  # noqa: ARG001
    bare = shutil.copytree(data, tmp_path / "bare")
    table = pd.read_parquet(bare / "catalog.parquet")
    table.loc[table["split"] == split, [name for name in table if name.endswith(column)]] = np.nan
    table.to_parquet(bare / "catalog.parquet", index=False)
    name = {"pretrain": "pretrain-gz2", "finetune": "finetune-ml"}[command]
    message = refused(name, survey / f"{command}.yaml", f"dataset={bare}", f"out={tmp_path / 'out'}")
    label = {"_votes": "votes", "log_ml_g": "log_ml"}[column]
    assert f"The split {split!r} of the dataset {str(bare)!r} has no {label}" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["unreadable", "another size", "missing"])
def test_a_dataset_with_a_bad_image(survey, data, finetuned, refused, tmp_path, capsys, kind):
    spoilt = shutil.copytree(data, tmp_path / "spoilt", ignore=shutil.ignore_patterns("cache"))
    image = spoilt / "images" / f"{FIRST}.png"
    if kind == "unreadable":
        image.write_bytes(image.read_bytes()[:60])
    elif kind == "another size":
        Image.fromarray(np.zeros((21, 20), np.uint8)).save(image)
    else:
        image.unlink()
    before = set(files(tmp_path))
    trainings = (
        ["pretrain-gz2", survey / "pretrain.yaml", f"dataset={spoilt}", f"out={tmp_path / 'out'}"],
        ["finetune-ml", survey / "finetune.yaml", f"dataset={spoilt}", f"out={tmp_path / 'out'}"],
    )
    evaluating = ["evaluate", finetuned, spoilt, "--split", "all", "--no-baselines", "--out", tmp_path / "out"]
    predicting = ["predict", finetuned, spoilt, "--out", tmp_path / "out.csv"]
    for arguments in [*trainings, *([evaluating, predicting] if kind == "missing" else [])]:
        message = refused(*arguments)
        assert f"{FIRST}.png'" in message
        assert {"unreadable": "can not be read", "another size": "21 x 20", "missing": "lacks"}[kind] in message
    assert set(files(tmp_path)) - {spoilt / "cache"} == before
    if kind != "missing":  # what is predicted is predicted without it
        for arguments in (evaluating, predicting):
            assert main([str(argument) for argument in arguments]) == 0
            assert "1 galaxies could not be predicted" in capsys.readouterr().out
        table = pd.read_csv(tmp_path / "out.csv")
        assert table["id"][table["status"] == "failed"].tolist() == [int(FIRST)]


def test_a_dataset_whose_table_was_spoilt(data, finetuned, refused, tmp_path):
    spoilt = shutil.copytree(data, tmp_path / "spoilt")
    table = pd.read_parquet(data / "catalog.parquet")
    for columns, named in (
        ({"id": table["id"].astype(float)}, "must hold integers or text. Received: 1.237"),
        ({"id": table["id"].iloc[0]}, "stands twice"),
        ({"log_ml_g": 1e9}, "1e+09"),
        ({f"{TREE.stems[0]}_votes": -1.0}, f"-1 in the column '{TREE.stems[0]}_votes'"),
        ({"split": "dev"}, "'dev'"),
    ):
        table.assign(**columns).to_parquet(spoilt / "catalog.parquet", index=False)
        assert named in refused("predict", finetuned, spoilt, "--out", tmp_path / "p.csv")
    assert not (tmp_path / "p.csv").exists()


def test_evaluate_predict_and_show_refuse(survey, data, finetuned, refused, tmp_path):
    out = tmp_path / "out.csv"
    assert "'absent' does not exist" in refused("predict", "absent", data, "--out", out)
    assert "'absent' does not exist" in refused("predict", finetuned, "absent", "--out", out)
    assert "'absent' does not exist" in refused("evaluate", finetuned, "absent", "--out", out)
    assert "holds no finished run" in refused("evaluate", survey, data, "--out", out)
    assert "allowed endings are .parquet" in refused("predict", finetuned, data, "--out", tmp_path / "out.doc")
    assert "--split must be one of train, val, test, all. Received: 'dev'" in refused(
        "evaluate", finetuned, data, "--split", "dev", "--out", out
    )
    assert "holds something else than a report" in refused("evaluate", finetuned, data, "--out", survey)
    assert main(["baselines", str(data), "--seed", "-1"]) == 2
    assert "cycle.yaml" in refused("show", survey / "cycle.yaml")
    assert "absent" in refused("show", "absent")
    assert "is neither a tree" in refused("show", survey / "images")
    assert "/none' does not exist." in refused("show", survey / "none")
    spoilt = tmp_path / "spoilt.yaml"
    spoilt.write_text((survey / "finetune.yaml").read_text().replace("vote_loss_weight", "vote_los_weight"))
    assert "did you mean 'vote_loss_weight'?" in refused("show", spoilt)
    assert list(tmp_path.iterdir()) == [spoilt]


def test_images_of_another_size_than_the_run_takes(survey, finetuned, refused, tmp_path):
    other = tmp_path / "data"
    assert main(["prepare", str(survey / "prepare.yaml"), f"out={other}", "npix=22", "limit=4"]) == 0
    message = refused("predict", finetuned, other, "--out", tmp_path / "p.csv")
    assert "takes images of 32 px" in message
    assert "have 22 px" in message
    assert not (tmp_path / "p.csv").exists()


def test_a_run_that_is_not_finished_is_shown_as_that(refused, tmp_path):
    for name in ("config.yaml", "fingerprint.yaml"):
        (tmp_path / name).touch()
    assert "is not finished: start the command" in refused("show", tmp_path)


@pytest.mark.parametrize(
    "card",
    ["", "a: [1", "[]", "kind: finetune-ml", "{kind: 1, npix: 1, tree: 1, metadata: 1, weights_hash: 1, config: 1}"],
)
def test_a_run_with_a_damaged_card_is_shown_as_that(refused, tmp_path, card):
    (tmp_path / "card.yaml").write_text(card)
    (tmp_path / "model.keras").touch()
    assert f"Error: The run {str(tmp_path)!r} can not be read: " in refused("show", tmp_path)


def test_a_dataset_that_is_not_finished_is_shown_as_that(refused, tmp_path):
    begin_dataset(tmp_path / "dataset", {"npix": 69})
    assert "The dataset" in (message := refused("show", tmp_path / "dataset"))
    assert "is not finished: start the command that makes it again" in message
    predictions = tmp_path / "predictions"  # of many galaxies
    predictions.mkdir()
    (predictions / "recipe.yaml").write_text("recipe: {run: [abc], split: all}")
    assert "is neither a tree" in refused("show", predictions)
