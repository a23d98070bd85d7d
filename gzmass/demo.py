"""The demonstration: the main job from simulated galaxies to a report, with the settings of ``demo.yaml``."""

from importlib import resources
from pathlib import Path

import yaml

from gzmass.config import FinetuneConfig, PretrainConfig
from gzmass.datasets import open_dataset
from gzmass.evaluation import evaluate
from gzmass.simulate import simulate

__all__ = ["run_demo"]


def run_demo(out, console):
    """Simulate, pretrain, fine-tune from the image alone and with metadata, predict and evaluate.

    Parameters
    ----------
    out : str or pathlib.Path
        Folder for everything it makes; interrupted and called again, it goes on where it was.
    console : module
        What tells of it: `gzmass.console`.

    Returns
    -------
    pathlib.Path
        The report.
    """
    out = Path(out)
    settings = yaml.safe_load(resources.files("gzmass").joinpath("demo.yaml").read_text(encoding="utf-8"))
    data = out / "galaxies"

    console.say(f"1. simulate: {settings['simulate']['n_galaxies']} galaxies in {data}")
    with console.bar("simulate", "galaxies") as progress:
        console.summary(simulate(data, **settings["simulate"], progress=progress))

    console.load_keras()
    from gzmass.inference import predict  # noqa: PLC0415 -- TensorFlow is loaded when the galaxies are there
    from gzmass.training import finetune_ml, pretrain_gz2  # noqa: PLC0415

    console.say(f"2. pretrain-gz2: the votes, in {out / 'pretrained'}")
    with console.training() as progress:
        pretrained = pretrain_gz2(
            PretrainConfig(dataset=data, out=out / "pretrained", **settings["pretrain"]), progress=progress
        )
    console.run_summary(pretrained.card)

    runs = {}
    for step, (name, what) in enumerate(
        [("image", "from the image alone"), ("metadata", "with distance and luminosity")], start=3
    ):
        folder = out / f"finetuned-{name}"
        console.say(f"{step}. finetune-ml: M/L {what}, in {folder}")
        config = FinetuneConfig(dataset=data, out=folder, init_from=out / "pretrained", **settings[f"finetune_{name}"])
        with console.training() as progress:
            runs[name] = finetune_ml(config, progress=progress)
        console.run_summary(runs[name].card)

    console.say(f"5. predict: {out / 'predictions.csv'}")
    dataset = open_dataset(data)
    predictions = predict(runs["metadata"], dataset, "test", out / "predictions.csv")
    console.say("6. evaluate: galaxies that nothing was trained on")
    numbers = evaluate(
        predictions,
        dataset,
        "test",
        out / "evaluation",
        card=runs["metadata"].card,
        compare=[("image alone", predict(runs["image"], dataset, "test"))],
        name="image and metadata",
    )
    console.evaluation(numbers)
    return out / "evaluation" / "report.html"
