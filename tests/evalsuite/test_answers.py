"""Answer tables as people send them: what each kind needs, and what cannot be true."""

import pytest

from evalsuite.answers import ANSWER_COLUMNS, read_answers
from evalsuite.errors import RatingsError

PREFERENCE = "listener,utterance,a,b,preferred"
ABX = "listener,utterance,correct"
BEST_WORST = "listener,utterance,shown,best,worst"


@pytest.fixture
def csv(tmp_path):
    def write(text: str):
        path = tmp_path / "answers.csv"
        path.write_text(text)
        return path

    return write


def test_answers_are_read_with_other_names_and_stripped(csv) -> None:
    path = csv("worker,utterance,a,b,winner,simulated\n x ,u1,m,w, m,yes\ny,u1,w,m,,no\n")
    found = read_answers(path, "preference", {"listener": "worker", "preferred": "winner"})
    assert found.frame["listener"].tolist() == ["x", "y"]
    assert found.frame["preferred"].tolist() == ["m", ""]
    assert found.n_simulated == 1
    assert len(found.sha256) == 64


@pytest.mark.parametrize("kind", ANSWER_COLUMNS)
def test_a_missing_column_is_named_with_the_ones_needed(csv, kind: str) -> None:
    needed = ANSWER_COLUMNS[kind]
    with pytest.raises(RatingsError, match=f"none is '{needed[-1]}'.*{', '.join(needed)}"):
        read_answers(csv(",".join(needed[:-1]) + "\n"), kind)


@pytest.mark.parametrize(
    ("kind", "text", "fault"),
    [
        ("preference", f"{PREFERENCE}\n", "has no rows"),
        ("preference", f"{PREFERENCE}\nx,u1,m,w,m\nx,u1,m,w,v\n", r"neither a nor b .*row 3 \("),
        ("preference", f"{PREFERENCE}\nx,u1,m,m,m\n", "not two systems: row 2"),
        ("preference", f"{PREFERENCE}\n,u1,m,w,m\n", "an empty name: row 2"),
        ("preference", f"{PREFERENCE},b\nx,u1,m,w,m,v\n", "more than one column 'b'"),
        ("abx", f"{ABX}\nx,u1,1\nx,u2,\n", "an empty correct: row 3"),
        ("abx", f"{ABX}\nx,u1,1\nx,u2,perhaps\n", r"neither yes nor no: row 3 \('perhaps'\)"),
        ("best_worst", f"{BEST_WORST}\nx,u1,m|w|v,m,m\n", "row 2 .*'m', 'm'"),
        ("best_worst", f"{BEST_WORST}\nx,u1,m|w|v,m,z\n", "row 2 "),
        ("best_worst", f"{BEST_WORST}\nx,u1,m|m|v,m,v\n", "row 2 "),
        ("best_worst", f"{BEST_WORST}\n" + "x,u1,m,m,w\n" * 12, "row 11 .* and 2 more"),
    ],
)
def test_what_cannot_be_true_is_named_with_its_row(csv, kind: str, text: str, fault: str) -> None:
    with pytest.raises(RatingsError, match=fault):
        read_answers(csv(text), kind)


def test_ties_are_written_in_several_ways(csv) -> None:
    rows = "".join(f"x,u{i},m,w,{word}\n" for i, word in enumerate(["", "tie", "None", "m", "w"]))
    assert len(read_answers(csv(f"{PREFERENCE}\n{rows}"), "preference").frame) == 5
