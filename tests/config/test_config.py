"""Configurations: files, overrides, and errors that name key, value and what is allowed."""

import pytest

from gzmass.config import FinetuneConfig, PretrainConfig, load_config, save_config
from gzmass.errors import ConfigError
from gzmass.preparation import PrepareConfig

NEEDED = ["dataset=data", "out=runs/a"]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "finetune.yaml"
    path.write_text(
        "dataset: data\nout: runs/a\nmodel: {hidden: 64}\nstages:\n  - {name: head, train: heads, epochs: 2}\n"
        "  - {name: all, epochs: 3}\n"
    )
    return path


def test_overrides_win_over_the_file(file):
    config = load_config(
        FinetuneConfig,
        file,
        ["seed=7", "stages.1.learning_rate=2e-4", "model.dropout=0.1", "metadata=[a, b]", "augmentation=null"],
    )
    assert config.seed == 7
    assert config.stages[1].learning_rate == 2e-4
    assert (config.model.hidden, config.model.dropout) == (64, 0.1)
    assert config.metadata == ["a", "b"]
    assert config.augmentation is None


def test_an_item_of_a_list_is_entered_by_its_name(file):
    stages = load_config(FinetuneConfig, file, ["stages.all.epochs=8"]).stages
    assert [stage.epochs for stage in stages] == [2, 8]


def test_a_section_that_the_file_lacks_can_be_entered(file):
    assert load_config(FinetuneConfig, file, ["optimization.batch_size=16"]).optimization.batch_size == 16


def test_what_is_saved_is_read_as_the_same(file, tmp_path):
    config = load_config(FinetuneConfig, file, ["init_from=runs/p", "target=linear", "loss=huber"])
    save_config(config, tmp_path / "config.yaml")
    assert load_config(FinetuneConfig, tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["stages.0.epoch=3"], r"there is no key 'stages.0.epoch' \(its value is 3\); did you mean 'epochs'\?"),
        (["learning_rat=3"], r"there is no key 'learning_rat' .* allowed are dataset, out"),
        (["model.hidden=-1"], r"the key 'model.hidden' has the value -1: input should be greater than or equal to 1"),
        (
            ["model.trunk=vgg"],
            r"the key 'model.trunk' has the value 'vgg': input should be 'cnn5', 'cnn5_wide', 'cnn4' or 'resnet34'",
        ),
        (["seed=abc"], r"the key 'seed' has the value 'abc'"),
        (["stages.0.steps=5"], "a stage has either epochs or steps; set the other to null"),
        (["stages.0.rate_decay=0.5"], "rate_decay and batch_norm are for stages that train blocks of the trunk"),
        (["stages.0.schedule=plateau", "stages.0.warmup=0.1"], "warmup belongs to the schedule 'cosine'; received"),
        (["stages.0.batch_norm=frozen"], "rate_decay and batch_norm are for stages that train blocks of the trunk"),
        (["stages.1.rate_decay=1.5"], r"the key 'stages.1.rate_decay' has the value 1.5: .* less than or equal to 1"),
        (["model.weights=hf://a/b"], "weights 'hf://a/b' go with the trunk 'resnet34'; received trunk 'cnn5'"),
        (
            ["model={trunk: resnet34, weights: hf://a/b}", "init_from=runs/p"],
            "init_from and model.weights both say where the trunk's weights come from",
        ),
        (["target=linear"], "target 'linear' goes with the loss 'huber' or 'squared_error'"),
        (["linear_metadata=[z]"], "linear_metadata has 'z', which is not among metadata"),
        (["seed"], r"written key=value. Received: 'seed'"),
        (["stages.5.epochs=1"], "'5' is not one of 0 to 1 or head, all"),
        (["seed.x=1"], "'seed' is 3, not a section"),
        (["seed=[1"], r"'seed' has the value '\[1'"),
    ],
)
def test_errors_name_the_key(file, overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_config(FinetuneConfig, file, ["seed=3", *overrides])


def test_a_missing_key_and_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="the key 'out' is missing"):
        load_config(PretrainConfig, None, ["dataset=data"])
    with pytest.raises(ConfigError, match=r"no\.yaml' does not exist"):
        load_config(PretrainConfig, tmp_path / "no.yaml")


def test_a_key_that_stands_twice_is_refused(tmp_path):
    file = tmp_path / "twice.yaml"
    file.write_text("dataset: a\nout: b\nmodel:\n  trunk: cnn4\n  trunk: cnn5\n")
    with pytest.raises(
        ConfigError, match=r"twice\.yaml: the key 'trunk' stands twice in the section that begins in lin"
    ):
        load_config(PretrainConfig, file)


def test_an_override_that_is_no_yaml_is_text(tmp_path):
    file = tmp_path / "prepare.yaml"
    file.write_text("out: a\nimages: {folder: b}\n")
    assert load_config(PrepareConfig, file, ["images.pattern={id}-g.fits"]).images.pattern == "{id}-g.fits"


@pytest.mark.parametrize("name", ["2024", "2024-06-01", "1e3", "true"])
def test_a_folder_may_have_the_name_of_a_number_or_a_date(file, name):
    config = load_config(FinetuneConfig, file, [f"out={name}", f"dataset={name}", f"init_from={name}"])
    assert str(config.out) == str(config.dataset) == str(config.init_from) == name
    assert load_config(FinetuneConfig, file, ["init_from=null"]).init_from is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model=3", "'model' has the value 3: allowed is a section with keys of its own"),
        ("stages=3", r"'stages' has the value 3: allowed is a list, such as \[a, b\]"),
        ("out=[a]", r"'out' has the value \['a'\]: allowed is a path"),
    ],
)
def test_kinds_of_values_are_told_in_words_of_a_configuration(file, override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(FinetuneConfig, file, [override])


def test_mistakes_in_the_mapping_of_a_column_are_told_in_its_words(tmp_path):
    file = tmp_path / "prepare.yaml"
    file.write_text("out: a\nimages: {folder: b}\nmetadata: {file: t.csv, columns: {redshift: z}}\n")
    column = "metadata.columns.redshift"
    with pytest.raises(ConfigError, match=r"no key '.*redshift.scales' .*did you mean 'scale'\? Allowed are col"):
        load_config(PrepareConfig, file, [f"{column}={{column: z, scales: 2}}"])
    with pytest.raises(ConfigError, match=r"'.*redshift.missing' has the value 'no': allowed is a list, such as"):
        load_config(PrepareConfig, file, [f"{column}={{column: z, missing: 'no'}}"])
    made = load_config(PrepareConfig, file, [f"{column}={{column: z, missing: -99}}"])
    assert made.metadata[0].columns["redshift"].missing == [-99]


def test_a_long_value_is_not_shown_as_a_whole(tmp_path):
    file = tmp_path / "table.yaml"
    file.write_text("x" * 10**6)
    with pytest.raises(ConfigError, match="must be a YAML mapping") as raised:
        load_config(PretrainConfig, file)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(("text", "message"), [("a: [", "is not a YAML file"), ("- 1", "must be a YAML mapping")])
def test_files_that_are_no_configuration(tmp_path, text, message):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(PretrainConfig, file)
