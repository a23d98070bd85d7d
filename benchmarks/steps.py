"""What a training step is made of, and what settings change: both heads, optimizer, precision and so on.

    python benchmarks/steps.py [--trunk cnn5] [--npix 69] [--batch-size 64] [--short]

Timed is `fit` over batches of one and the same galaxies with the graph, losses and optimizer of gzmass. One graph with
both heads is compared with two graphs that have one head each; settings with the plain step. XLA is Keras'
`jit_compile` (on JAX there is no step without), mixed precision the policy "mixed_bfloat16" for trunk and hidden
layers, with losses in float32. KERAS_BACKEND chooses the backend.
"""

import keras
import numpy as np
from _networks import Example, Repeated
from _tables import parser, print_table, spread, take_turns

from gzmass.config import ModelConfig
from gzmass.models.trunks import TRUNKS
from gzmass.training.muon import Muon

BOTH = ("votes", "log_ml")
PLAIN = "both heads, one step"


def main():
    """Print the table."""
    own = parser(__doc__)
    own.add_argument("--trunk", choices=[*TRUNKS], default=ModelConfig().trunk)
    own.add_argument("--npix", type=int, default=69)
    own.add_argument("--batch-size", type=int, default=64)
    arguments = own.parse_args()
    example = Example(arguments.npix, arguments.batch_size)
    steps = 4 if arguments.short else 8

    def fit(heads, policy="float32", **compiled):
        keras.config.set_dtype_policy(policy)
        model = example.graph(arguments.trunk, heads, **compiled)
        keras.config.set_dtype_policy("float32")
        data = Repeated(example.batch(heads), steps)
        return lambda: model.fit(data, shuffle=False, verbose=0)

    jit = keras.backend.backend() == "jax"
    ways = {PLAIN: fit(BOTH, jit_compile=jit)}
    votes, log_ml = fit(("votes",), jit_compile=jit), fit(("log_ml",), jit_compile=jit)
    ways["votes alone"] = votes
    ways["votes and M/L, a step each"] = lambda: (votes(), log_ml())
    ways["Muon"] = fit(BOTH, jit_compile=jit, kind=Muon)
    ways[f"steps_per_execution={steps}"] = fit(BOTH, jit_compile=jit, steps_per_execution=steps)
    if not jit:
        ways["XLA"] = fit(BOTH, jit_compile=True)
        if not arguments.short:
            ways[f"XLA, steps_per_execution={steps}"] = fit(BOTH, jit_compile=True, steps_per_execution=steps)
    ways["mixed bfloat16"] = fit(BOTH, "mixed_bfloat16", jit_compile=jit)
    ways["mixed bfloat16, Muon"] = fit(BOTH, "mixed_bfloat16", jit_compile=jit, kind=Muon)
    if not jit and not arguments.short:
        ways["mixed bfloat16, XLA"] = fit(BOTH, "mixed_bfloat16", jit_compile=True)
    seconds = take_turns(ways, 3 if arguments.short else 15)
    print_table(
        f"{arguments.trunk}, {arguments.npix} px, batch {arguments.batch_size}, {keras.backend.backend()}",
        ["setting", "ms a step", "rate, of both heads in one step"],
        [
            [name, f"{1e3 * np.median(times) / steps:.1f}", spread(seconds[PLAIN] / times)]
            for name, times in seconds.items()
        ],
        f"{steps} steps a call of `fit`, one batch over and over: the loader is left out.",
    )


if __name__ == "__main__":
    main()
