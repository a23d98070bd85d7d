"""What an experiment has to run: each training once, known by what it learns; and what is refused before any is run."""

from pathlib import Path

import pytest
import yaml
from small_experiment import STAGES, experiment, written

from gzmass.config import REVISIONS, load_config
from gzmass.errors import ConfigError
from gzmass.experiment import ExperimentConfig, run_experiment
from gzmass.experiment.config import AFTER_AXES, BEFORE_AXES
from gzmass.experiment.plan import make_plan

ROOT = Path(__file__).parents[2]


def test_every_training_is_planned_once_and_after_what_it_starts_from(galaxies, tmp_path):
    axes = {
        "labels": {10: {"n_labels": 10}, "all": {}},
        "start": {"scratch": {}, "pretrained": {"init_from": "votes"}, "again": {"init_from": {"start": "pretrained"}}},
    }
    plan = make_plan(experiment(galaxies, tmp_path, axes=axes, rows=None))
    assert [cell.at for cell in plan.cells][:2] == [
        {"labels": "10", "start": "scratch"}, {"labels": "10", "start": "pretrained"}
    ]  # fmt: skip
    # two pretrainings, one a seed, and 2 x 3 x 2 trainings
    assert [job.kind for job in plan.jobs].count("pretrain-gz2") == 2
    assert len(plan.jobs) == 14
    assert len({job.config.out for job in plan.jobs}) == 14
    for position, job in enumerate(plan.jobs):
        if job.needs:
            assert job.needs in plan.jobs[:position]
            assert job.config.init_from == job.needs.config.out
            assert job.config.seed == job.needs.config.seed
    again = plan.cells[2].jobs[1]
    assert (again.name, again.needs.name, again.needs.needs.name) == (
        "10 again seed 1", "10 pretrained seed 1", "pretraining votes seed 1"
    )  # fmt: skip


def test_of_equals_the_first_seed_comes_first(galaxies, tmp_path):
    plan = make_plan(experiment(galaxies, tmp_path, seeds=[4, 1]))
    assert [(job.depth, job.config.seed) for job in plan.jobs] == [
        (0, 4), (0, 4), (0, 4), (0, 1), (0, 1), (0, 1), (1, 4), (1, 1)
    ]  # fmt: skip


def test_a_dataset_without_galaxies_to_test_on_is_told_of_before_any_training(make_dataset, tmp_path):
    dataset = make_dataset(n=10, split=["train"] * 8 + ["val"] * 2)
    problems = {job.problem for job in make_plan(experiment(dataset, tmp_path)).jobs if "too many" not in job.name}
    assert problems == {f"the dataset {str(dataset)!r} has no galaxies in the split test"}


def test_keys_with_a_dot_go_into_what_other_axes_set(galaxies, tmp_path):
    axes = {
        "labels": {"few": {"stages.all.epochs": 5}},
        "start": {"heads first": {"stages": [{"name": "head", "train": "heads", "epochs": 1}, *STAGES]}},
    }
    job = make_plan(experiment(galaxies, tmp_path, axes=axes, rows=None)).jobs[0]
    assert [(stage.name, stage.epochs) for stage in job.config.stages] == [("head", 1), ("all", 5)]
    assert [stage["epochs"] for stage in STAGES] == [2]  # the data given are left as they were


def test_a_pretraining_has_the_network_and_the_dataset_of_what_starts_from_it(galaxies, make_dataset, tmp_path):
    other = make_dataset(seed=5)
    axes = {
        "data": {"one": {}, "other": {"dataset": other}},
        "hidden": {"8": {"init_from": "votes"}, "9": {"init_from": "votes", "model.hidden": 9}},
    }
    plan = make_plan(experiment(galaxies, tmp_path, axes=axes, rows=None, seeds=[3], pretrain={"votes": {}}))
    pretrainings = [job.config for job in plan.jobs if job.kind == "pretrain-gz2"]
    assert {(config.dataset, config.model.hidden) for config in pretrainings} == {
        (path, hidden) for path in (galaxies, other) for hidden in (8, 9)
    }


def test_pretrainings_of_one_name_are_told_apart_by_what_differs(galaxies, tmp_path):
    axes = {
        "trunk": {"cnn5": {"init_from": "votes"}, "cnn4": {"init_from": "votes", "model.trunk": "cnn4"}},
        "start": {"direct": {}, "by another": {"init_from": "again"}},
    }
    pretrain = {"votes": {"stages": STAGES}, "again": {"stages": STAGES, "init_from": "votes", "model.hidden": 9}}
    rows = [{"at": {"trunk": trunk, "start": "direct"}} for trunk in ("cnn5", "cnn4")]
    rows.append({"at": {"trunk": "cnn4", "start": "by another"}})
    plan = make_plan(experiment(galaxies, tmp_path, axes=axes, rows=rows, seeds=[0], pretrain=pretrain))
    direct, other, by_another = (cell.jobs[0] for cell in plan.cells)
    assert direct.needs.name == "pretraining votes (trunk cnn5, hidden 8) seed 0"
    assert other.needs.name == "pretraining votes (trunk cnn4, hidden 8) seed 0"
    assert by_another.needs.name == "pretraining again seed 0"
    assert by_another.needs.needs.name == "pretraining votes (trunk cnn4, hidden 9) seed 0"
    assert all(job.needs is None or job.needs in plan.jobs for job in plan.jobs)
    assert other.needs.config.out.name == f"pretraining-votes-seed-0-{other.needs.fingerprint[:8]}"


def test_places_whose_names_are_the_same_are_two(galaxies, tmp_path):
    axes = {"a": {"x": {"init_from": {"a": "x y", "b": "z"}}, "x y": {}}, "b": {"y z": {}, "z": {}}}
    rows = [{"at": {"a": "x", "b": "y z"}}]
    job = make_plan(experiment(galaxies, tmp_path, axes=axes, rows=rows, seeds=[0])).cells[0].jobs[0]
    assert job.name == job.needs.name == "x y z seed 0"
    assert job.needs.needs is None


def test_a_training_is_known_by_what_it_learns_not_by_where_it_stands(galaxies, make_dataset, tmp_path, monkeypatch):
    def identity(**changes):
        finetune = {"dataset": galaxies, "stages": STAGES, **changes}
        axes = {"a": {"b": {}}}
        return make_plan(experiment("", tmp_path, finetune=finetune, axes=axes, rows=None)).jobs[0].fingerprint

    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "dataset.yaml").write_bytes((galaxies / "dataset.yaml").read_bytes())
    assert identity() == identity(dataset=moved) == identity(model={"dropout": 0.3}, tensorboard=True)
    assert identity() == identity(optimization={"devices": 2, "steps_per_execution": 4})
    before = identity()
    assert len({before, identity(dataset=make_dataset(seed=9)), identity(n_labels=5)}) == 3
    monkeypatch.setitem(REVISIONS, "cnn5", REVISIONS["cnn5"] + 1)  # another network under the same name
    assert identity() != before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": {"a": {"b": {"stages.all.epoch": 1}}}}, r"training 'b' .* no key 'stages.0.epoch' .* 'epochs'\?"),
        ({"axes": {"a": {"b": {"loss": "absolute"}}}}, "key 'loss' has the value 'absolute': input should be"),
        ({"axes": {"a": {"b": {"seed": 3}}}}, "key 'seed' has the value 3, but the experiment sets it"),
        ({"axes": {"a": {"b": {"init_from": "vots"}}}}, r"'vots', which is neither a pretraining .* \(votes\) nor"),
        ({"axes": {"a": {"b": {"init_from": 3}}}}, r"the value '3', which is neither a pretraining .* nor a finished"),
        ({"axes": {"a": {"b": {"init_from": [1]}}}}, r"the value '\[1\]', which is neither a pretraining"),
        ({"axes": {"a": {"b": {"init_from": {"a": "c"}}}}}, "allowed are values on the axes a"),
        ({"axes": {"a": {"b": {"init_from": {"a": "b"}}}}}, "training 'b' .* starts from itself"),
        ({"pretrain": {"votes": {"vote_los": "x"}}, "rows": None}, r"'pretraining votes' .* no key 'vote_los'"),
    ],
)
def test_a_training_that_is_not_allowed_is_told_of_before_any_is_run(galaxies, tmp_path, changes, message):
    if "axes" in changes:
        changes["rows"] = None
    with pytest.raises(ConfigError, match=message):
        run_experiment(experiment(galaxies, tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("card", "message"),
    [("a: [1", "can not be read: while parsing"), ("", "has no key 'kind'"), ("{kind: 1, npix: 1}", "no key 'tree'")],
)
def test_a_damaged_run_to_start_from_is_told_of(galaxies, tmp_path, card, message):
    (tmp_path / "card.yaml").write_text(card)
    (tmp_path / "model.keras").touch()
    axes = {"a": {"b": {"init_from": str(tmp_path)}}}
    with pytest.raises(ConfigError, match=f"training 'b' .* key 'init_from' has the value .*: The run .*{message}"):
        make_plan(experiment(galaxies, tmp_path / "out", axes=axes, rows=None))


@pytest.mark.parametrize("name", [*BEFORE_AXES, *AFTER_AXES, "published_rmse_dex", "seeds", "RMSE [dex]"])
def test_no_axis_is_called_like_a_column_of_the_tables(galaxies, tmp_path, name):
    config = experiment(galaxies, "out", rows=None).model_dump(mode="json")
    file = tmp_path / "experiment.yaml"
    file.write_text(yaml.safe_dump({**config, "axes": {name: {"a": {}}}}))
    with pytest.raises(ConfigError, match=r"axes has '.*', which is a column of the table"):
        load_config(ExperimentConfig, file)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["rows.0.at.start=scrtch"], "a row has 'scrtch' on the axis 'start', whose values are scratch, pretrained"),
        (["rows.0.at={start: scratch}"], r"a row needs a value of each axis \(start, metadata\)"),
        (["axes.seed={a: {}}"], "axes has 'seed', which is a column of the table"),
        (["seeds=[1, 1]"], "seeds has a seed twice"),
        (["rows.0.published.rmse=1"], "'rows.0.published.rmse' has the value 'rmse'"),
    ],
)
def test_errors_of_the_experiment_itself(galaxies, tmp_path, overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_config(ExperimentConfig, written(experiment(galaxies, "out"), tmp_path), overrides)


@pytest.mark.parametrize(
    ("name", "rows", "trainings"), [("label_efficiency", 16, 51), ("published_table", 6, 15), ("trunks", 2, 6)]
)
def test_the_configurations_that_come_with_gzmass(name, rows, trainings):
    plan = make_plan(load_config(ExperimentConfig, ROOT / "configs" / f"{name}.yaml"))
    assert (len(plan.cells), len(plan.jobs)) == (rows, trainings)


def test_the_published_protocol():
    plan = make_plan(load_config(ExperimentConfig, ROOT / "configs" / "published_table.yaml"))
    config = plan.cells[3].jobs[0].config
    assert (config.model.trunk, config.loss, config.target, config.optimization.optimizer) == (
        "cnn4", "squared_error", "linear", "nadam"
    )  # fmt: skip
    assert (config.n_labels, config.metadata) == (10_000, ["distance_mpc", "luminosity_g"])
    last = plan.cells[5].jobs[0]
    assert last is plan.cells[4].jobs[0]
    assert (last.config.n_labels, last.config.augmentation.shift) == (30_000, 0.078)
    assert last.needs is plan.cells[3].jobs[0]
