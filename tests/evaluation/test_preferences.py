"""Votes from many processes at once, and what is computed from them."""

import math
import multiprocessing
import sqlite3
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from deepmasque.evaluation.preferences import (
    CHOICES,
    COLUMNS,
    PRIOR,
    Ballot,
    Question,
    next_question,
    preferences,
    ranking,
    strengths,
    wins,
)

METHODS = ("closed form", "knn", "network", "residual")
STRENGTH = {"closed form": 1.0, "knn": 2.0, "network": 4.0, "residual": 8.0}


def votes_by(strength, count, seed=0):
    """Votes of people who prefer in proportion to known strengths; some ties and skips."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        left, right = rng.permutation(list(strength))[:2]
        better = rng.random() < strength[left] / (strength[left] + strength[right])
        choice = rng.choice(["tie", "skip", "left" if better else "right"], p=[0.1, 0.1, 0.8])
        rows.append(("2026-11-21T00:00:00", "s", "photo", left, right, choice))
    return pd.DataFrame(rows, columns=COLUMNS)


def slow_wins(rows):
    """Wins by pair of names, one vote after the other."""
    found = {}
    for row in rows.to_dict("records"):
        left, right = row["left"], row["right"]
        points = {"left": (1, 0), "right": (0, 1), "tie": (0.5, 0.5), "skip": (0, 0)}
        for pair, point in zip(((left, right), (right, left)), points[row["choice"]], strict=True):
            found[pair] = found.get(pair, 0) + point
    return found


def slow_strengths(won, methods):
    """The most likely strengths, by a general optimiser over their logarithms."""

    def unlikely(logs):
        strength = dict(zip(methods, np.exp(logs), strict=True))
        total = 0.0
        for (winner, loser), times in won.items():
            total -= times * math.log(strength[winner] / (strength[winner] + strength[loser]))
        for each in strength.values():
            total -= PRIOR * (math.log(each / (each + 1)) + math.log(1 / (each + 1)))
        return total

    logs = minimize(unlikely, np.zeros(len(methods)), method="BFGS", options={"gtol": 1e-8}).x
    return np.exp(logs - logs.mean())


def cast_many(path, session, count):
    ballot = Ballot(path)
    rng = np.random.default_rng(int(session))
    for number in range(count):
        left, right = rng.permutation(METHODS)[:2]
        ballot.cast(Question(f"photo {number}", left, right), str(rng.choice(CHOICES)), session)


def test_four_processes_at_once_lose_nothing_and_agree_with_the_raw_rows(tmp_path):
    path = tmp_path / "folder" / "votes.sqlite"
    spawn = multiprocessing.get_context("spawn")
    voters = [spawn.Process(target=cast_many, args=(path, str(each), 50)) for each in range(4)]
    for voter in voters:
        voter.start()
    for voter in voters:
        voter.join()
    assert [voter.exitcode for voter in voters] == [0] * 4

    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM votes").fetchone() == (200,)
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        rows = pd.read_sql("SELECT * FROM votes", raw)
    raw.close()
    assert rows.groupby("session")["image"].nunique().to_dict() == dict.fromkeys("0123", 50)
    votes = Ballot(path).votes()
    assert votes.equals(rows[COLUMNS])

    slow = slow_wins(rows)
    matrix, won = preferences(votes, METHODS), wins(votes, METHODS)
    for i, row in enumerate(METHODS):
        for j, column in enumerate(METHODS):
            if row == column:
                assert math.isnan(matrix.loc[row, column])
                continue
            assert won[i, j] == slow[row, column]
            met = slow[row, column] + slow[column, row]
            assert matrix.loc[row, column] == pytest.approx(slow[column, row] / met, abs=1e-12)
    expected = slow_strengths(slow, METHODS)
    assert strengths(won) == pytest.approx(expected, rel=1e-4)
    table = ranking(votes, METHODS).set_index("method")
    for method, strength in zip(METHODS, expected, strict=True):
        assert table.loc[method, "score"] == pytest.approx(strength / (strength + 1), abs=1e-4)
    assert not [each for each in path.parent.iterdir() if each.suffix == ".part"]


def test_undo_takes_back_the_last_vote_of_that_session_only(tmp_path):
    ballot = Ballot(tmp_path / "votes.sqlite")
    assert ballot.undo("a") is None
    question = Question("photo", "knn", "network")
    ballot.cast(question, "left", "a")
    ballot.cast(question, "tie", "a")
    ballot.cast(question, "right", "b")
    assert ballot.undo("a").choice == "tie"
    assert list(ballot.votes()["choice"]) == ["left", "right"]
    assert ballot.undo("a").choice == "left"
    assert ballot.undo("a") is None
    assert list(ballot.votes()["session"]) == ["b"]


def test_what_is_no_answer_is_refused_and_leaves_no_file(tmp_path):
    ballot = Ballot(tmp_path / "votes.sqlite")
    with pytest.raises(ValueError, match="maybe is none of"):
        ballot.cast(Question("photo", "knn", "network"), "maybe", "a")
    assert not list(tmp_path.iterdir())
    assert ballot.votes().empty


def test_known_strengths_are_recovered_within_their_intervals():
    table = ranking(votes_by(STRENGTH, 4000), list(STRENGTH))
    assert list(table["method"]) == ["residual", "network", "knn", "closed form"]
    mean = math.exp(np.mean([math.log(each) for each in STRENGTH.values()]))
    truth = [STRENGTH[method] / (STRENGTH[method] + mean) for method in table["method"]]
    # A tenth of ties draws every share a little towards a half.
    assert table["score"].to_numpy() == pytest.approx(truth, abs=0.05)
    assert ((table["low"] < table["score"]) & (table["score"] < table["high"])).all()
    assert (table["high"] - table["low"] < 0.06).all()


def test_intervals_narrow_with_votes_and_are_the_same_every_time():
    few, many = (ranking(votes_by(STRENGTH, count), METHODS) for count in (60, 960))
    assert ((few["high"] - few["low"]).mean()) > 2.5 * (many["high"] - many["low"]).mean()
    assert few.equals(ranking(votes_by(STRENGTH, 60), METHODS))


def test_without_votes_all_are_equal_and_always_winning_stays_finite():
    none = votes_by(STRENGTH, 0)
    assert preferences(none, METHODS).isna().all(axis=None)
    assert (ranking(none, METHODS)["score"] == 0.5).all()
    row = ("2026-11-21T00:00:00", "s", "photo", "knn", "network", "left")
    always = pd.DataFrame([row] * 20, columns=COLUMNS)
    table = ranking(always, METHODS).set_index("method")
    assert 0.5 < table.loc["knn", "score"] < 1
    assert table.loc["residual", "votes"] == 0


def test_mirrored_votes_mirror_the_matrix():
    votes = votes_by(STRENGTH, 300)
    turned = votes.rename(columns={"left": "right", "right": "left"})
    turned["choice"] = turned["choice"].replace({"left": "right", "right": "left"})
    pd.testing.assert_frame_equal(preferences(votes, METHODS), preferences(turned, METHODS))


def test_questions_go_round_all_pairs_in_both_orders():
    rng = np.random.default_rng(1)
    shown = {"one": METHODS, "two": METHODS[:2]}
    votes = pd.DataFrame(columns=COLUMNS, dtype=str)
    asked = []
    for _ in range(60):
        question = next_question(shown, votes, rng)
        assert {question.left, question.right} <= set(shown[question.image])
        asked.append(question)
        votes.loc[len(votes)] = ("", "", question.image, question.left, question.right, "skip")
    pairs = pd.Series([frozenset((each.left, each.right)) for each in asked]).value_counts()
    assert len(pairs) == 6
    assert set(pairs) == {10}
    assert 0 < sum(each.left < each.right for each in asked) < 60
    assert {each.image for each in asked if {each.left, each.right} == set(METHODS[:2])} == {
        "one",
        "two",
    }
    assert not all(a == b for a, b in pairwise(asked))
