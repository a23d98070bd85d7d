"""What a fingerprint of a training rests on: the networks behind the names of the trunks, and the defaults of keys."""

import pytest

from gzmass.config import REVISIONS, FinetuneConfig, PretrainConfig, revisions_of
from gzmass.engine import fingerprint
from gzmass.models import build_model

DEFAULTS = {2: "ef8a52b65506faef"}
NETWORKS = {
    ("cnn4", 1): "4a1f1cd494ff3947",
    ("cnn5", 1): "d09c96ab23e6c8c9",
    ("cnn5_wide", 1): "5a0a19daae7cebb8",
    ("resnet34", 1): "2e7b5ba741d8ed14",
}
SHAPE = ("filters", "kernel_size", "strides", "padding", "pool_size", "activation", "scale", "offset")


def described(trunk):
    """Layers of a trunk and the shapes of their weights: what decides which network it is."""
    layers = build_model(69, None, trunk, heads=("log_ml",)).get_layer("trunk").layers
    described = []
    for layer in layers:
        config = layer.get_config()
        kept = {name: config[name] for name in SHAPE if name in config}
        described.append([type(layer).__name__, kept, [list(weight.shape) for weight in layer.weights]])
    return fingerprint(described)


@pytest.mark.parametrize("trunk", [name for name in REVISIONS if name != "defaults"])
def test_a_trunk_that_became_another_network_has_another_revision(trunk):
    message = f"the trunk {trunk!r} has changed: give it another number in gzmass.config.REVISIONS, and here its mark"
    assert NETWORKS.get((trunk, REVISIONS[trunk])) == described(trunk), message


def test_defaults_that_became_others_have_another_revision():
    places = {"dataset": "d", "out": "o"}
    mark = fingerprint([kind(**places).model_dump(mode="json") for kind in (FinetuneConfig, PretrainConfig)])
    message = "give REVISIONS['defaults'] another number if a default has changed; if a key has come, just the mark"
    assert DEFAULTS.get(REVISIONS["defaults"]) == mark, message


def test_revisions_after_the_first_are_part_of_a_fingerprint(monkeypatch):
    config = FinetuneConfig(dataset="d", out="o")
    monkeypatch.setitem(REVISIONS, "defaults", 1)
    assert revisions_of(config) is None
    monkeypatch.setitem(REVISIONS, config.model.trunk, 3)
    assert revisions_of(config) == {config.model.trunk: 3}
