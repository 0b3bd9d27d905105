"""Preferences: which of two results people prefer, blind, and what follows for the methods."""

from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from deepmasque.evaluation import methods as registry
from deepmasque.evaluation.benchmark import scenes
from deepmasque.evaluation.preferences import (
    Ballot,
    Question,
    next_question,
    preferences,
    ranking,
    wins,
)
from pages.comparison import preference_charts
from pages.comparison.measured import SAMPLES, Measured, alpha_views, by_photo, folder_of, runs
from pages.comparison.run import RUNS, Run, choose_methods, ticked_methods, watched
from pages.components import ballot, side_by_side
from pages.components.charts import chart
from pages.components.markup import caption, chips
from pages.components.shelf import backgrounds

BALLOT = Ballot(RUNS / "votes.sqlite")
VOTED_ON = ("portraitfcn", "portraitfcn-knn", "pymatting-cf", "mediapipe-selfie", "grabcut")
LOOK_SECONDS = 5
STUDY = (
    "Shared",
    "Learning",
    "Comprehensive",
    "Global",
    "Closed-Form",
    "KNN",
    "DCNN",
    "Ours",
)
STUDY_KNOWN = {("Shared", "Ours"): 0.837}
STUDY_SOURCE = (
    "Xu, Price, Cohen, Huang: <i>Deep Image Matting</i>, CVPR 2017, table 2: 392 people on Amazon"
    " Mechanical Turk saw two cut-outs of a photo before black and before white and said which one"
    " was more accurate and realistic; five or six of them for every pair on every photo."
)


@dataclass
class Voter:
    """A visitor at the ballot: whose votes they are, and what is asked now."""

    question: Question
    votes: int = 0
    session: str = field(default_factory=lambda: uuid4().hex)
    identity: str = field(default_factory=lambda: uuid4().hex)

    def ask(self, question: Question) -> None:
        """Go on to another question."""
        self.question, self.identity = question, uuid4().hex


def make_results() -> None:
    """Before the first vote: matte the samples by some methods."""
    if watched("vote-run"):
        return
    if run := st.session_state.pop("vote-run", None):
        if run.rows:
            st.rerun()
        st.error(run.error or "Nothing was matted.")
    st.html(caption("There are no results to vote on yet. Choose what shall be compared."))
    chosen = choose_methods(VOTED_ON, "vote-methods")
    few = len(chosen) < 2
    st.button("Matte the samples", type="primary", key="make", disabled=few, on_click=matte_samples)


def matte_samples() -> None:
    """Let the ticked methods matte the samples."""
    chosen = ticked_methods("vote-methods")
    st.session_state["vote-run"] = Run(scenes(SAMPLES), chosen, folder_of(SAMPLES))


@st.fragment
def vote(found: dict[str, Measured], shown: dict[str, list[str]]) -> None:
    """Two results of a photo side by side, and which one is better."""
    voter: Voter | None = st.session_state.get("voter")
    if not voter or voter.question.image not in shown:
        voter = st.session_state.voter = Voter(drawn(shown))
    folder, image = voter.question.image.split("/", 1)
    run = found[folder]
    scene = next(each for each in run.scenes().values() if each.name == image)
    tiles = [
        {
            "id": side,
            "label": side,
            "said": "",
            "views": alpha_views(scene, alpha_of(run, image, method)),
        }
        for side, method in (("Left", voter.question.left), ("Right", voter.question.right))
    ]
    with st.container(key="vote"):
        side_by_side(
            tiles, ["Cut-out", "Alpha"], backgrounds(), identity=voter.identity, key="vote-pair"
        )
        ballot(
            voter.identity,
            undo=voter.votes > 0,
            key="ballot",
            on_choice=lambda identity, choice: answer(shown, identity, choice),
        )
    st.html(f'<div class="dm-facts">{chips(f"Your answers: {voter.votes}")}</div>')


def answer(shown: dict[str, list[str]], identity: str, choice: str) -> None:
    """Keep a vote, or take the last one back, and ask on."""
    voter: Voter = st.session_state.voter
    if identity != voter.identity:
        return
    if choice == "undo":
        if taken := BALLOT.undo(voter.session):
            voter.votes -= 1
            voter.ask(Question(taken.image, taken.left, taken.right))
        return
    BALLOT.cast(voter.question, choice, voter.session)
    voter.votes += 1
    voter.ask(drawn(shown))


def drawn(shown: dict[str, list[str]]) -> Question:
    """The next question."""
    return next_question(shown, BALLOT.votes(), np.random.default_rng())


def alpha_of(run: Measured, image: str, method: str) -> Path:
    """The file of an alpha."""
    rows = run.table[(run.table["image"] == image) & (run.table["method"] == method)]
    return run.out / rows.iloc[0]["alpha"]


@st.fragment(run_every=LOOK_SECONDS)
def standings() -> None:
    """What all votes say so far."""
    votes = BALLOT.votes()
    said = votes["choice"].value_counts()
    decided = int(said.get("left", 0) + said.get("right", 0))
    st.html('<h2 class="dm-title">What people prefer</h2>')
    with st.container(horizontal=True, vertical_alignment="center", key="votes-head"):
        marks = chips(
            f"votes {len(votes)}",
            f"decided {decided}",
            f"ties {said.get('tie', 0)}",
            f"skipped {said.get('skip', 0)}",
            f"voters {votes['session'].nunique()}",
        )
        st.html(f'<div class="dm-line">{marks}</div>')
        st.download_button(
            "Download votes",
            lambda: BALLOT.votes().to_csv(index=False),
            "votes.csv",
            on_click="ignore",
            key="votes-csv",
        )
    if votes.empty:
        st.html(caption("Nobody has voted yet."))
        return
    order, shares, counts, ranked = computed(len(votes), votes.iloc[-1]["time"], votes)
    titles = {each.name: each.title for each in registry.methods()}
    left, right = st.columns(2, gap="large")
    with left:
        names = [titles.get(name, name) for name in order]
        chart(preference_charts.matrix(shares, names, counts), "matrix")
        st.html(
            caption(
                "Each number: of the votes between two methods, the share in % that preferred the"
                " column’s to the row’s. A tie is half a vote for either; skips do not count."
            )
        )
    with right:
        chart(preference_charts.scores(ranked, titles), "scores")
        st.html(
            caption(
                "Bradley and Terry’s model makes one scale of all pairs. The line is the 95 %"
                " interval: how far the score would move with other voters (bootstrap, 400 draws)."
            )
        )


@st.cache_data(max_entries=4, show_spinner=False)
def computed(
    count: int, last: str, _votes: pd.DataFrame
) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64], pd.DataFrame]:
    """The methods in the order of their rank, their matrix, its counts, and the ranking."""
    ranked = ranking(_votes, sorted({*_votes["left"], *_votes["right"]}))
    order = list(ranked["method"])
    won = wins(_votes, order)
    return order, preferences(_votes, order).to_numpy(), won + won.T, ranked


def published_study() -> None:
    """The matrix of the study on the project's slides, and how to read it."""
    st.html('<h2 class="dm-title">The study on the slides</h2>')
    shares = np.full((len(STUDY), len(STUDY)), np.nan)
    for (row, column), share in STUDY_KNOWN.items():
        i, j = STUDY.index(row), STUDY.index(column)
        shares[i, j], shares[j, i] = share, 1 - share
    left, right = st.columns([6, 4], gap="large", vertical_alignment="center")
    with left:
        chart(preference_charts.matrix(shares, STUDY), "study")
    with right:
        st.html(
            '<ol class="dm-howto"><li><b>Eight methods</b>: seven known ones and the authors’ own,'
            " “Ours”.</li><li><b>A column</b> tells how often its method was preferred to the"
            " row’s. Above 50 % (amber) it won, below (blue) it lost; the cell across the diagonal"
            " says the same from the other side.</li><li><b>Only the cell the paper’s text spells"
            " out</b>, Ours over Shared, is filled in here. It says besides that almost four in"
            " five preferred Ours to any other method, that Closed-Form was preferred to all but"
            " Ours and Comprehensive, and DCNN to two methods only.</li></ol>"
            f"{caption(STUDY_SOURCE)}"
        )


st.html('<h1 class="dm-title">Which cut-out is better?</h1>')
st.html(caption("You see two results of the same photo; whose they are stays hidden."))
found = {run.out.name: run for run in runs()}
shown = by_photo(list(found.values()))
if shown and "vote-run" not in st.session_state:
    vote(found, shown)
else:
    make_results()
standings()
published_study()
