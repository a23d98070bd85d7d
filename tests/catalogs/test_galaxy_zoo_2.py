from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from gzmass.catalogs import read_galaxy_zoo_2
from gzmass.errors import ConfigError, DataError
from gzmass.tree import load_tree

STRIPE_82 = Path(__file__).parents[2].parent / "shared" / "data" / "gz2_votes_stripe82" / "table5.csv.gz"
TREE = load_tree("gz2")
KINDS = ("count", "weight", "fraction", "weighted_fraction", "debiased", "flag")
FIRST = 587722952230174996


def hart16(n=30, seed=0):
    """A table of all 231 columns: weights below the counts, fractions of each, debiased shares that do not sum to 1."""
    rng = np.random.default_rng(seed)
    count = rng.integers(0, 9, (n, 37)).astype(float)
    count[0, TREE.segment == 4] = 0
    weight = count * rng.uniform(0.5, 1, (n, 37))
    fraction, weighted = (np.nan_to_num(TREE.conditional(v)) for v in (count, weight))
    debiased = weighted * rng.uniform(0.7, 1.3, (n, 37))
    table = {
        "dr7objid": FIRST + np.arange(n), "ra": rng.uniform(100, 200, n), "dec": rng.uniform(0, 40, n),
        "rastring": ["08:00:00.0"] * n, "decstring": ["+01:00:00.0"] * n, "sample": ["original"] * n,
        "gz2_class": ["Ei"] * n, "total_classifications": rng.integers(20, 50, n), "total_votes": count.sum(axis=1),
    }  # fmt: skip
    for k, stem in enumerate(TREE.stems):
        for kind, values in zip(
            KINDS, (count, weight, fraction.round(3), weighted.round(3), debiased, count * 0), strict=True
        ):
            table[f"{stem}_{kind}"] = values[:, k]
    return pd.DataFrame(table), count, weight, debiased


def votes_of(table):
    return table[[f"{stem}_votes" for stem in TREE.stems]].to_numpy()


def test_each_statistic_becomes_votes(tmp_path):
    table, count, weight, debiased = hart16()
    assert table.shape[1] == 231
    assert table.columns[9 + 6 * 24 + 4] == "t08_odd_feature_a38_dust_lane_debiased"
    table.to_csv(tmp_path / "gz2_hart16.csv", index=False)
    sums = TREE.question_sums(debiased)[:, TREE.segment]
    totals = TREE.question_sums(weight)[:, TREE.segment]
    expected = {
        "count": count,
        "weight": weight,
        "fraction": count,
        "weighted_fraction": weight,
        "debiased": np.where(totals > 0, debiased / np.where(sums > 0, sums, 1) * totals, 0),
    }
    for statistic, values in expected.items():
        votes, set_aside, notes = read_galaxy_zoo_2(tmp_path / "gz2_hart16.csv", statistic)
        assert np.allclose(votes_of(votes), values, atol=0.06 if "fraction" in statistic else 1e-9)
        assert votes["id"].tolist() == table["dr7objid"].tolist() == votes["dr7objid"].tolist()
        assert np.allclose(votes["ra"], table["ra"])
        assert set_aside.empty
        assert ("sum to" in " ".join(notes)) == (statistic == "debiased")
        # debiasing shifts votes between answers, it makes none
        if statistic == "debiased":
            assert np.allclose(TREE.question_sums(votes_of(votes)), TREE.question_sums(weight))
            assert not np.allclose(votes_of(votes), weight, rtol=0.05)


@pytest.mark.parametrize("upper", [True, False])
def test_willett_as_fits_with_three_ids_of_which_one_is_missing(tmp_path, upper):
    table, count, *_ = hart16(8)
    table = table.drop(columns="gz2_class")
    table.insert(0, "specobjid", 299489677444933632 + np.arange(8))
    table.insert(1, "dr8objid", 1237646587710669400 + np.arange(8))
    made = Table.from_pandas(table)
    made["specobjid"] = np.ma.masked_equal(made["specobjid"], made["specobjid"][2])
    if upper:
        made.rename_columns(made.colnames, [name.upper() for name in made.colnames])
    made.write(tmp_path / "z.fits")
    votes, _, notes = read_galaxy_zoo_2(tmp_path / "z.fits", ids=(FIRST + np.arange(1, 5)).tolist())
    assert votes["id"].tolist() == (FIRST + np.arange(1, 5)).tolist()
    assert votes["dr8objid"].tolist() == (1237646587710669400 + np.arange(1, 5)).tolist()
    ids = [None if pd.isna(v) else int(v) for v in votes["specobjid"]]
    assert ids == [299489677444933633, None, 299489677444933635, 299489677444933636]
    assert np.array_equal(votes_of(votes), count[1:5])
    assert notes == [f"the id is {'DR7OBJID' if upper else 'dr7objid'}"]
    votes, set_aside, _ = read_galaxy_zoo_2(tmp_path / "z.fits", id_column="specobjid")
    assert len(votes) == 7
    assert "row 2 of" in set_aside["reason"].iloc[0]


def test_what_contradicts_itself_is_set_aside(tmp_path):
    table, *_ = hart16(6)
    table.loc[1, "t01_smooth_or_features_a01_smooth_fraction"] += 0.5
    table.loc[2, "t02_edgeon_a04_yes_count"] = -1.0
    table.loc[4, "dr7objid"] = table.loc[3, "dr7objid"]
    table["total_classifications"] = [30, 30, 30, 30, 40, 30]
    table.to_csv(tmp_path / "t.csv", index=False)
    votes, set_aside, _ = read_galaxy_zoo_2(tmp_path / "t.csv", "fraction")
    assert votes["id"].tolist() == [FIRST, FIRST + 3, FIRST + 5]
    assert votes["total_classifications"].tolist() == [30, 40, 30]
    reasons = dict(zip(set_aside["id"], set_aside["reason"], strict=True))
    assert list(reasons) == [FIRST + 1, FIRST + 2, FIRST + 3]
    assert "fraction of t01_smooth_or_features sums to 1.499, expected 1" in reasons[FIRST + 1]
    assert "negative" in reasons[FIRST + 2]
    assert "more than once; the row with the most classifications is kept" in reasons[FIRST + 3]
    assert len(votes) + len(set_aside) == len(table)


def test_missing_columns_and_unknown_statistics(tmp_path):
    table, *_ = hart16(4)
    path = tmp_path / "t.csv"
    table.drop(columns=["t02_edgeon_a04_yes_count", *[c for c in table if c.startswith("t11")]]).to_csv(
        path, index=False
    )
    votes, _, notes = read_galaxy_zoo_2(path)
    assert votes.filter(regex="^t02|^t11").isna().all(axis=None)
    assert votes.filter(regex="^t01").notna().all(axis=None)
    assert notes[1:] == [
        "question t02_edgeon is left out: t02_edgeon_a04_yes_count missing",
        "question t11_arms_number absent",
    ]
    with pytest.raises(
        ConfigError, match=r"one of count, weight, fraction, weighted_fraction, debiased\. Received: 'flag'"
    ):
        read_galaxy_zoo_2(path, "flag")
    table.filter(regex="objid$|flag$").to_csv(path, index=False)
    with pytest.raises(DataError, match="no question with all its columns ending in _count"):
        read_galaxy_zoo_2(path)
    table.drop(columns="dr7objid").to_csv(path, index=False)
    with pytest.raises(DataError, match="no column of ids; it needs one of dr7objid, objid"):
        read_galaxy_zoo_2(path)
    table.assign(dr7objid=table["dr7objid"].astype(float)).to_csv(path, index=False)
    with pytest.raises(DataError, match="went through floating-point numbers"):
        read_galaxy_zoo_2(path)


@pytest.mark.skipif(not STRIPE_82.is_file(), reason="the real data are not beside the checkout")
def test_stripe_82():
    counts, set_aside, notes = read_galaxy_zoo_2(STRIPE_82)
    weights, *_ = read_galaxy_zoo_2(STRIPE_82, "weight")
    assert len(counts) == len(weights) == 19761
    assert set_aside.empty
    assert notes == ["the id is objid"]
    file = pd.read_csv(STRIPE_82)

    def statistic(kind):
        return file[[f"{stem}_{kind}" for stem in TREE.stems]].to_numpy()

    assert np.array_equal(votes_of(counts), statistic("count"))
    assert np.array_equal(votes_of(weights), statistic("weight"))
    assert np.array_equal(votes_of(counts).sum(axis=1), file["total_votes"])
    assert np.array_equal(counts["id"], file["objid"])
    # the weights printed are the counts; fraction and weighted_fraction are one and the same, made of weights that the
    # file does not hold. They are the shares of the counts to the printed precision where every volunteer weighs 1.
    assert np.array_equal(statistic("weight"), statistic("count"))
    assert np.array_equal(statistic("weighted_fraction"), statistic("fraction"))
    printed, share = statistic("fraction"), np.nan_to_num(TREE.conditional(votes_of(counts)))
    agrees = np.abs(printed - share) < 5.01e-4
    questions = np.logical_and.reduceat(agrees, TREE.starts, axis=1)
    asked = TREE.question_sums(votes_of(counts)) > 0
    assert not (~questions & ~asked).any()
    assert (questions & asked).sum() == 146962
    assert asked.sum() == 172286
    # elsewhere a volunteer of low weight is what is missing: no answer has a share without a vote, and galaxies whose
    # question 1 shows that all weigh 1 (two answers given, shares as counted) agree in every other question
    assert not ((printed > 0) & (votes_of(counts) == 0)).any()
    first = votes_of(counts)[:, :3]
    told = questions[:, 0] & ((first > 0).sum(axis=1) > 1)
    assert told.sum() == 9568
    assert (questions[told] | ~asked[told]).mean() > 0.998
    fractions, _, notes = read_galaxy_zoo_2(STRIPE_82, "fraction")
    assert any("25324 of 172286 questions have other shares than the count columns" in note for note in notes)
    got = votes_of(fractions)
    assert np.allclose(TREE.question_sums(got)[questions], TREE.question_sums(votes_of(counts))[questions])
