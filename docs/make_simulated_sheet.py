"""Make docs/images/simulated_sheet.png: clear cases of every answer of the Galaxy Zoo 2 tree, simulated.

python docs/make_simulated_sheet.py [OUT.png]
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from gzmass.images import log_stretch
from gzmass.simulate import draw_population, galaxy_rng, render, vote_probabilities
from gzmass.tree import load_tree

SEED, N_GALAXIES, CANDIDATES = 11, 12000, 12
GREY_STEP = 15  # coarser grey levels, which are enough to look at, make a file of a third of the size
ODD = ("t06_odd", "t08_odd_feature")
NPIX, COLUMNS, GAP = 60, 6, 3
LABEL_WIDTH, HEADER_HEIGHT = 120, 20


def clear_cases(joint, plain, answer):
    """Numbers of galaxies of which many volunteers would give the answer, spread over the clearest."""
    clearest = np.argsort(-joint[:, answer] * plain)[:CANDIDATES]
    return clearest[np.linspace(0, CANDIDATES - 1, COLUMNS).astype(int)]


def tile_row(galaxies, numbers):
    """Pictures of some galaxies side by side, shape (NPIX, width)."""
    tiles = []
    for number in numbers:
        image = render(galaxies[number], NPIX, galaxy_rng(SEED, int(number), "image"))
        tiles += [log_stretch(image)[0] // GREY_STEP * GREY_STEP, np.full((NPIX, GAP), 255, np.uint8)]
    return np.hstack(tiles[:-1])


def question_block(tree, question, galaxies, joint):
    """One question: its text, and a row of pictures for each answer."""
    own = np.flatnonzero(tree.segment == question)
    stems = list(tree.stems)
    plain = 1.0 if tree.questions[question].name in ODD else 1 - joint[:, stems.index("t06_odd_a14_yes")]
    width = LABEL_WIDTH + COLUMNS * (NPIX + GAP)
    block = Image.new("L", (width, HEADER_HEIGHT + len(own) * (NPIX + GAP)), 255)
    pen = ImageDraw.Draw(block)
    pen.text((2, 4), f"T{question + 1:02d}  {tree.questions[question].text}", fill=0)
    for row, answer in enumerate(own):
        top = HEADER_HEIGHT + row * (NPIX + GAP)
        pen.text((8, top + NPIX // 2 - 6), tree.answers[answer].text, fill=0)
        pictures = tile_row(galaxies, clear_cases(joint, plain, answer))
        block.paste(Image.fromarray(pictures), (LABEL_WIDTH, top))
    return block


def main():
    """Draw and write."""
    default = Path(__file__).parent / "images" / "simulated_sheet.png"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, default=default)
    out = parser.parse_args().out
    tree = load_tree("gz2")
    population = draw_population(N_GALAXIES, SEED)
    conditional = vote_probabilities(population)
    galaxies = population.to_dict("records")
    joint = tree.joint(conditional)
    blocks = [question_block(tree, q, galaxies, joint) for q in range(tree.n_questions)]
    half = sum(block.height for block in blocks) / 2
    columns = [[], []]
    for block in blocks:
        columns[sum(b.height for b in columns[0]) + block.height / 2 > half].append(block)
    height = max(sum(block.height for block in column) for column in columns)
    sheet = Image.new("L", (2 * blocks[0].width + 12, height), 255)
    for side, column in enumerate(columns):
        top = 0
        for block in column:
            sheet.paste(block, (side * (blocks[0].width + 12), top))
            top += block.height
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out, optimize=True)
    print(f"wrote {out} ({out.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
