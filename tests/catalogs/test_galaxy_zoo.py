from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gzmass.catalogs import read_kaggle, read_votes
from gzmass.errors import DataError
from gzmass.tree import load_tree

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
TREE = load_tree("gz2")
KAGGLE = {answer.stem: answer.columns["kaggle"] for answer in TREE.answers}


def kaggle_table(n=20, seed=0):
    """Galaxies in Kaggle's convention, question 6 summing to 1, and the joint probabilities of the tree."""
    rng = np.random.default_rng(seed)
    conditional = TREE.conditional(rng.uniform(0.05, 1, (n, TREE.n_answers)))
    joint = TREE.joint(conditional)
    file = joint.copy()
    star = joint[:, [TREE.stems.index("t01_smooth_or_features_a03_star_or_artifact")]]
    for k, stem in enumerate(TREE.stems):
        if stem.startswith(("t06", "t08")):
            file[:, [k]] /= 1 - star
    table = pd.DataFrame(file, columns=[KAGGLE[stem] for stem in TREE.stems])
    table.insert(0, "GalaxyID", np.arange(n) + 100)
    return table, joint


def test_votes_are_joint_probabilities_of_the_tree(tmp_path):
    table, joint = kaggle_table()
    table.to_csv(tmp_path / "k.csv", index=False)
    votes, set_aside, notes = read_kaggle(tmp_path / "k.csv", n_votes=50)
    assert np.allclose(votes.drop(columns="id"), 50 * joint)
    assert set_aside.empty
    assert notes == []
    assert votes["id"].tolist() == table["GalaxyID"].tolist()
    # what the file says without the switch contradicts the tree, for every galaxy with a chance of being a star
    _, set_aside, _ = read_kaggle(tmp_path / "k.csv", q6_sums_to_one=False)
    assert len(set_aside) == len(table)
    assert "t06_odd sums to 1.000" in set_aside["reason"].iloc[0]


def test_a_question_with_only_some_of_its_answers_is_missing(tmp_path):
    table, _ = kaggle_table()
    table.drop(columns=["Class7.2", *[c for c in table if c.startswith("Class11.")]]).to_csv(
        tmp_path / "k.csv", index=False
    )
    votes, set_aside, notes = read_kaggle(tmp_path / "k.csv")
    assert votes.filter(regex="^t07|^t11").isna().all(axis=None)
    assert votes.drop(columns="id").notna().all().sum() == 37 - 3 - 6
    assert set_aside.empty
    assert notes == [
        "question t07_rounded is left out: t07_rounded_a17_in_between missing",
        "question t11_arms_number absent",
    ]


def test_without_question_1_nobody_knows_how_many_were_asked_question_6(tmp_path):
    table, _ = kaggle_table()
    table[["GalaxyID", "Class6.1", "Class6.2"]].to_csv(tmp_path / "k.csv", index=False)
    votes, _, notes = read_kaggle(tmp_path / "k.csv")
    assert votes.drop(columns="id").isna().all(axis=None)
    assert any("how many are asked" in note for note in notes)


def test_a_row_that_contradicts_the_convention_is_set_aside(tmp_path):
    table, _ = kaggle_table()
    table.loc[3, "Class7.1"] += 0.2
    table.to_csv(tmp_path / "k.csv", index=False)
    votes, set_aside, _ = read_kaggle(tmp_path / "k.csv")
    assert len(votes) == len(table) - 1
    assert set_aside["id"].tolist() == [103]
    assert "t07_rounded sums to" in set_aside["reason"].iloc[0]


def test_a_row_with_a_negative_vote_is_set_aside_and_a_table_of_them_refused(tmp_path):
    table, _ = kaggle_table()
    table.loc[2, "Class2.1"] = -0.1
    table.to_csv(tmp_path / "k.csv", index=False)
    votes, set_aside, _ = read_kaggle(tmp_path / "k.csv")
    assert votes["id"].tolist() == [i for i in table["GalaxyID"] if i != 102]
    assert set_aside.to_numpy().tolist() == [[102, "-0.1 in the column 'Class2.1'; votes are >= 0 or empty"]]
    own = pd.DataFrame({"id": ["a", "b", "c"], "yes": [3, -1, np.nan], "no": [2, 5, 0]})
    own.to_csv(tmp_path / "v.csv", index=False)
    columns = {"t02_edgeon_a04_yes_votes": "yes", "t02_edgeon_a05_no_votes": "no"}
    votes, set_aside, _ = read_votes(tmp_path / "v.csv", columns=columns)
    assert votes["id"].tolist() == ["a", "c"]
    assert votes["t02_edgeon_a05_no_votes"].tolist() == [2, 0]
    assert set_aside.to_numpy().tolist() == [["b", "-1 in the column 'yes'; votes are >= 0 or empty"]]
    own.assign(no=-99).to_csv(tmp_path / "v.csv", index=False)
    with pytest.raises(DataError, match=r"Every row of .*v\.csv' has a negative vote; .* 'a', -99 in the column 'no'"):
        read_votes(tmp_path / "v.csv", columns=columns)


def test_a_kaggle_file_without_any_of_its_columns_is_refused(tmp_path):
    table, _ = kaggle_table()
    table[["GalaxyID"]].to_csv(tmp_path / "k.csv", index=False)
    with pytest.raises(DataError, match=r"none of the columns Class1\.1"):
        read_kaggle(tmp_path / "k.csv")


def test_named_vote_columns(tmp_path):
    table = pd.DataFrame({"id": ["a", "b"], "yes": [3, 4.5], "no": [2, 0]})
    table.to_csv(tmp_path / "v.csv", index=False)
    columns = {"t02_edgeon_a04_yes_votes": "yes", "t02_edgeon_a05_no_votes": "no"}
    votes, _, notes = read_votes(tmp_path / "v.csv", columns=columns)
    assert votes["t02_edgeon_a04_yes_votes"].tolist() == [3, 4.5]
    assert votes.drop(columns="id").notna().all().sum() == 2
    assert len(notes) == 10
    with pytest.raises(DataError, match="no answer with the column 't99_votes'"):
        read_votes(tmp_path / "v.csv", columns={"t99": "yes"})
    with pytest.raises(DataError, match="no column 'maybe'"):
        read_votes(tmp_path / "v.csv", columns={"t02_edgeon_a04_yes": "maybe"})
    with pytest.raises(DataError, match="no columns of votes such as 't01_smooth_or_features_a01_smooth_count'"):
        read_votes(tmp_path / "v.csv", columns="{stem}_count")


def test_shares_in_place_of_votes_are_noticed(tmp_path):
    stems = load_tree("gz2").stems[:3]
    shares = pd.DataFrame({"id": [1, 2], **{f"{s}_debiased": v for s, v in zip(stems, (0.5, 0.3, 0.2), strict=True)}})
    shares.to_csv(tmp_path / "v.csv", index=False)
    notes = read_votes(tmp_path / "v.csv", columns="{stem}_debiased")[2]
    assert notes[-1].startswith("no galaxy has more than 1 votes on t01_smooth_or_features: shares, it seems")
    shares.iloc[1, 1] = 7.0
    shares.to_csv(tmp_path / "v.csv", index=False)
    assert not [note for note in read_votes(tmp_path / "v.csv", columns="{stem}_debiased")[2] if "shares" in note]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real data are not beside the checkout")
def test_real_files():
    votes, set_aside, notes = read_kaggle(SHARED / "galaxy_zoo_2" / "training_solutions_17.csv")
    assert len(votes) == 4057
    assert set_aside.empty
    assert votes.drop(columns="id").notna().all().sum() == 17
    assert len(notes) == 6
    first = votes.filter(regex="^t01").sum(axis=1)
    assert np.allclose(first, 44, atol=1e-3)
    counts, _, notes = read_votes(
        SHARED / "gz2_votes_stripe82" / "table5.csv.gz", columns="{stem}_count", id_column="objid"
    )
    assert counts.shape == (19761, 38)
    assert counts["id"].dtype == np.int64
    assert notes == []
