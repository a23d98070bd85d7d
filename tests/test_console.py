"""What the command line shows."""

import pytest

from gzmass import console

NUMBERS = {
    "label_kind": "measured",
    "split": "test",
    "n_seen": 0,
    "n_labelled": 9,
    "n_predicted": 10,
    "mass_to_light": None,
    "votes": None,
    "out_of_domain": {"n": 0},
    "absent": {},
}


def table(*names):
    numbers = dict.fromkeys(("rmse_dex", "r2_dex", "bias_dex", "rmse_linear", "r2_linear"), 0.1234)
    return {"table": [{"name": name, **numbers} for name in names]}


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("this run", "runs/many_galaxies/with-metadata", "runs/many_galaxies/image"), ["with-metadata", "image"]),
        (("this run", "one/run", "two/run"), ["one/run", "two/run"]),
    ],
)
def test_runs_are_called_by_what_tells_them_apart(capsys, names, shown):
    console.evaluation({**NUMBERS, "mass_to_light": table(*names)})
    out = capsys.readouterr().out
    rows = [line.split("│")[1].strip() for line in out.splitlines() if "0.123" in line]
    assert rows == ["this run", *shown]


def test_what_an_evaluation_lacks_and_leaves_open_is_said(capsys):
    absent = {"mass_to_light": "no M/L", "stellar_mass": "no M/L", "votes": "no tree"}
    console.evaluation({**NUMBERS, "absent": absent, "out_of_domain": {"n": 4}, "n_seen": 3})
    assert capsys.readouterr().out.splitlines() == [
        "the run was made with 3 of these galaxies: this is no test of it",
        "4 of 10 galaxies lie outside what the run was trained on",
        "nothing on mass to light, stellar mass: no M/L",
        "nothing on votes: no tree",
    ]
