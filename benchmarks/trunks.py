"""Training and prediction of each trunk, against its bare convolutions, `cnn4` in plain Keras, and PyTorch.

    python benchmarks/trunks.py [--trunk NAME ...] [--npix 69] [--batch-size 64] [--turns 9] [--short]

Timed are a training step of the graph with the vote head and a prediction, on a batch that is there (`train_on_batch`,
`predict_on_batch`); KERAS_BACKEND chooses the backend. The floor are the convolutions of the trunk alone. What one
would take instead is the network of the published table with Nadam and squared error as one writes it in Keras, and
loops in PyTorch over networks of the same layers, channels last. The default trunk is to train at 2 times the rate of
`cnn4`.
"""

import keras
import numpy as np
from _networks import Example, bare_convolutions, operations, published_cnn4
from _tables import missing, parser, print_table, spread, take_turns

from gzmass.config import ModelConfig
from gzmass.models.trunks import SMALLEST_NPIX, TRUNKS

PLAIN, FORWARD, TRAINING = "cnn4 in plain Keras", "forward", "training"
DEFAULT = ModelConfig().trunk


def ways_of(names, npix, batch_size, with_torch):
    """Functions to time by name, and what each trunk needs [GFLOP], and a reason for what is left out."""
    example, ways, flops, notes = Example(npix, batch_size), {TRAINING: {}, FORWARD: {}}, {}, []
    inputs, labels = example.batch()
    plain = published_cnn4(npix)
    ways[TRAINING][PLAIN] = lambda: plain.train_on_batch(example.image, example.log_ml)
    ways[FORWARD][PLAIN] = lambda: plain.predict_on_batch(example.image)
    for name in names:
        model = example.graph(name)
        trunk = model.get_layer("trunk")
        flops[name] = operations(trunk)
        ways[TRAINING][name] = lambda model=model: model.train_on_batch(inputs, labels)
        ways[FORWARD][name] = lambda model=model: model.predict_on_batch(inputs)
        forward, training = bare_convolutions(trunk, batch_size)
        ways[TRAINING][f"{name}, bare convolutions"] = training
        ways[FORWARD][f"{name}, bare convolutions"] = forward
        if with_torch:
            from _torch import torch_steps  # noqa: PLC0415 only where it is installed

            try:
                training, forward = torch_steps(trunk, example.tree.n_answers, batch_size)
            except TypeError as reason:
                notes.append(f"{name} in PyTorch is left out: {reason}.")
                continue
            ways[TRAINING][f"{name} in PyTorch"] = training
            ways[FORWARD][f"{name} in PyTorch"] = forward
    return ways, flops, notes


def table(kind, seconds, flops, batch_size, notes):
    """Print the table of one kind of step."""
    reference = seconds.get("cnn4", seconds[PLAIN])
    rows = []
    for name, times in seconds.items():
        trunk = name.split(",")[0].split(" in ")[0]
        floor = seconds.get(f"{trunk}, bare convolutions")
        of_floor = spread(floor / times) if floor is not None and "bare" not in name else ""
        work = (3 if kind == TRAINING else 1) * flops.get(trunk, flops.get("cnn4", np.nan))
        rate = batch_size / np.median(times)
        rows.append([name, f"{rate:.0f}", spread(reference / times), of_floor, f"{work:.3f}", f"{work * rate:.0f}"])
    columns = [kind, "images/s", "of the rate of cnn4", "bare convolutions / step", "GFLOP/image", "GFLOP/s"]
    note = " ".join([f"The default trunk is {DEFAULT}.", *notes])
    backend = keras.backend.backend()
    print_table(f"{kind.capitalize()}, batch {batch_size}, {backend}", columns, rows, note)


def main():
    """Print the tables."""
    own = parser(__doc__)
    own.add_argument("--trunk", action="append", choices=[*TRUNKS], help="by default all; may be given again")
    own.add_argument("--npix", type=int, default=69)
    own.add_argument("--batch-size", type=int)
    own.add_argument("--turns", type=int)
    arguments = own.parse_args()
    names = arguments.trunk or [name for name in TRUNKS if SMALLEST_NPIX[name] <= arguments.npix]
    batch_size = arguments.batch_size or 64  # what trainings take by default: with half of it small trunks gain less
    absent = missing("torch")
    ways, flops, notes = ways_of(names, arguments.npix, batch_size, not absent)
    print(f"Images of {arguments.npix} px.")
    for kind, own_ways in ways.items():
        seconds = take_turns(own_ways, arguments.turns or (5 if arguments.short else 9))
        table(kind, seconds, flops, batch_size, [*notes, *([absent] if absent else [])])


if __name__ == "__main__":
    main()
