"""Rating tables as people send them: other names, separators, mistakes, repeats."""

import numpy as np
import pandas as pd
import pytest

from evalsuite.errors import RatingsError, UsageError
from evalsuite.ratings import parse_columns, ratings_from_frame, read_ratings

HEADER = "listener,system,utterance,score"


def write(path, text: str, encoding: str = "utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture
def csv(tmp_path):
    return lambda text, encoding="utf-8": write(tmp_path / "ratings.csv", text, encoding)


def test_plain_table(csv) -> None:
    found = read_ratings(csv(f"{HEADER}\na,melgan,u1,4\nb,melgan,u1,3.5\n"))
    assert found.frame[["listener", "score"]].values.tolist() == [["a", 4.0], ["b", 3.5]]
    assert found.frame["score"].dtype == np.float64
    assert found.n_simulated == 0
    assert found.notes == ()
    assert len(found.sha256) == 64


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_and_byte_order_mark(csv, separator: str, encoding: str) -> None:
    text = f"{HEADER}\nÄnne,melgan,u1,4\n".replace(",", separator)
    found = read_ratings(csv(text, encoding))
    assert found.frame.loc[0, "listener"] == "Änne"


def test_decimal_comma_in_a_semicolon_table(csv) -> None:
    found = read_ratings(csv(f"{HEADER.replace(',', ';')}\na;m;u;3,5\n"))
    assert found.frame.loc[0, "score"] == 3.5


def test_names_are_mapped_and_stay_text(csv) -> None:
    path = csv("worker,model,clip,mos,system\nNA,m,007,4,wrong\n")
    columns = parse_columns("listener=worker,system=model,utterance=clip,score=mos")
    row = read_ratings(path, columns).frame.iloc[0]
    assert (row["listener"], row["system"], row["utterance"]) == ("NA", "m", "007")


def test_missing_columns_name_the_found_ones_and_the_option_to_use(csv) -> None:
    with pytest.raises(RatingsError) as caught:
        read_ratings(csv("WorkerId,system,utterance,MOS,age\na,m,u,4,30\n"))
    message = str(caught.value)
    assert "WorkerId, system, utterance, MOS, age" in message
    assert "--columns listener=WorkerId,score=MOS" in message


def test_a_mapped_column_that_is_not_there(csv) -> None:
    with pytest.raises(RatingsError, match="none is 'wrker'"):
        read_ratings(csv(f"{HEADER}\na,m,u,4\n"), {"listener": "wrker"})


@pytest.mark.parametrize("text", ["listener", "rater=worker", "score="])
def test_columns_option_must_map_known_names(text: str) -> None:
    with pytest.raises(UsageError, match="--columns has"):
        parse_columns(text)


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ("good", "not a number: row 3 ('good')"),
        ("", "not a number: row 3 ('')"),
        ("nan", "not a number: row 3 ('nan')"),
        ("6", "outside 1 to 5: row 3 ('6')"),
        ("0", "outside 1 to 5: row 3 ('0')"),
        ("inf", "outside 1 to 5: row 3 ('inf')"),
    ],
)
def test_impossible_scores_are_named_with_their_row(csv, bad: str, fault: str) -> None:
    path = csv(f"{HEADER}\na,m,u1,4\na,m,u2,{bad}\na,m,u3,2\n")
    with pytest.raises(RatingsError) as caught:
        read_ratings(path)
    assert fault in str(caught.value)
    assert "--drop-bad" in str(caught.value)
    kept = read_ratings(path, drop_bad=True)
    assert kept.frame["score"].tolist() == [4.0, 2.0]
    assert kept.notes[0].startswith("dropped 1 of 3 rows")


def test_many_bad_rows_are_capped_and_counted(csv) -> None:
    rows = "".join(f"a,m,u{i},9\n" for i in range(25))
    with pytest.raises(RatingsError, match=r"row 11 .* and 15 more"):
        read_ratings(csv(f"{HEADER}\n{rows}b,m,u1,3\n"))


def test_empty_names_are_refused(csv) -> None:
    with pytest.raises(RatingsError, match="no listener, system or utterance: row 2"):
        read_ratings(csv(f"{HEADER}\n ,m,u1,4\na,m,u1,4\n"))


def test_scale_can_be_another(csv) -> None:
    path = csv(f"{HEADER}\na,m,u1,87\n")
    assert read_ratings(path, scale=(0, 100)).frame["score"].tolist() == [87.0]


@pytest.mark.parametrize(
    ("policy", "expected"), [("keep_last", 5.0), ("keep_first", 2.0), ("mean", 10 / 3)]
)
def test_duplicates(csv, policy, expected: float) -> None:
    path = csv(f"{HEADER}\na,m,u1,2\na,m,u1,3\nb,m,u1,1\na,m,u1,5\n")
    found = read_ratings(path, duplicates=policy)
    assert dict(zip(found.frame["listener"], found.frame["score"], strict=True)) == {
        "a": pytest.approx(expected),
        "b": 1.0,
    }
    assert found.notes[0].startswith("2 repeated ratings")


def test_last_is_by_time_where_times_are_known(csv) -> None:
    path = csv(f"{HEADER},submitted_at\na,m,u1,2,200\na,m,u1,5,100\n")
    assert read_ratings(path).frame["score"].tolist() == [2.0]


def test_duplicates_can_be_refused(csv) -> None:
    path = csv(f"{HEADER}\na,m,u1,2\na,m,u1,3\n")
    with pytest.raises(RatingsError, match="listener 'a', system 'm', utterance 'u1'"):
        read_ratings(path, duplicates="error")


def test_ratings_of_several_trials_all_count_and_corrections_once(csv) -> None:
    """A study may plan a stimulus twice for one listener: these are two ratings."""
    rows = "a,m,u1,2,3,10\na,m,u1,5,7,40\na,m,u1,4,3,20\nb,m,u1,1,3,10\n"
    path = csv(f"{HEADER},trial,submitted_at\n{rows}")
    found = read_ratings(path)
    assert found.frame[["listener", "score"]].values.tolist() == [
        ["a", 5.0],
        ["a", 4.0],
        ["b", 1.0],
    ]
    assert found.notes == (
        "1 repeated ratings (same listener, system, utterance, trial): the last counts",
        "1 ratings are of a stimulus that the listener had rated before (in another trial): "
        "all of them count",
    )
    assert read_ratings(path, duplicates="keep_first").frame["score"].tolist() == [2.0, 5.0, 1.0]
    means = read_ratings(path, duplicates="mean")
    assert means.frame["score"].tolist() == [pytest.approx(11 / 3), 1.0]
    assert "2 repeated ratings" in means.notes[0] and "1 of them of another trial" in means.notes[0]
    with pytest.raises(RatingsError, match="1 times in all"):
        read_ratings(path, duplicates="error")


@pytest.mark.parametrize("column", ["study", "trial", "presentation"])
def test_what_tells_two_hearings_apart_must_be_in_every_row(csv, column: str) -> None:
    whole = csv(f"{HEADER},{column}\na,m,u1,2,1\na,m,u1,3,2\n")
    assert read_ratings(whole, duplicates="error").frame["score"].tolist() == [2.0, 3.0]
    gaps = csv(f"{HEADER},{column}\na,m,u1,2,1\na,m,u1,3,\n")
    assert read_ratings(gaps).frame["score"].tolist() == [3.0]


def test_simulated_is_carried_and_a_mixture_noted(csv) -> None:
    path = csv(f"{HEADER},simulated\na,m,u1,2,True\nb,m,u1,3,0\nc,m,u1,3,1\n")
    found = read_ratings(path)
    assert found.frame["simulated"].tolist() == [True, False, True]
    assert found.notes == ("2 of 3 ratings are simulated, the others are not",)


def test_two_scales_in_one_table_are_refused(csv) -> None:
    path = csv(f"{HEADER},scale\na,m,u1,2,naturalness\nb,m,u1,3,similarity\n")
    with pytest.raises(RatingsError, match="mixes ratings of scale 'naturalness', 'similarity'"):
        read_ratings(path)


def test_a_simulated_that_is_neither_yes_nor_no_is_refused(csv) -> None:
    path = csv(f"{HEADER},simulated\na,m,u1,2,maybe\nb,m,u1,3,no\nc,m,u1,3,\n")
    with pytest.raises(RatingsError, match=r"1 values of 'simulated' .* row 2 \('maybe'\)\. "):
        read_ratings(path)
    plain = csv(f"{HEADER},simulated\na,m,u1,2,FALSE\nb,m,u1,3,no\nc,m,u1,3,\n")
    assert read_ratings(plain).n_simulated == 0


def test_a_row_with_another_number_of_fields_is_named_not_shifted(csv) -> None:
    longer = csv(f"{HEADER}\nL0,a,u0,4,1\nL0,b,u0,3,2\n")
    with pytest.raises(RatingsError, match=r"4 column names.* row 2 \(5\), row 3 \(5\)"):
        read_ratings(longer)
    later = csv(f'{HEADER},panel\nL0,a,u0,4,x\n\n"L,1",a,u0,4,x\nL2,a,u0,4\n')
    with pytest.raises(RatingsError, match=r"5 column names.* row 5 \(4\)\."):
        read_ratings(later)
    many = csv(f"{HEADER}\n" + "x,a,u0,4,1\n" * 25)
    with pytest.raises(RatingsError, match=r"row 11 \(5\) and 15 more"):
        read_ratings(many)
    whole = csv(f'{HEADER},panel\nL0,a,u0,4,\n\n"L,1",a,u0,4,x\n')
    assert read_ratings(whole).frame["listener"].tolist() == ["L0", "L,1"]


def test_two_columns_of_one_name_are_refused_if_they_are_read(csv) -> None:
    with pytest.raises(RatingsError, match="more than one column 'score'"):
        read_ratings(csv(f"{HEADER},score\na,m,u,4,1\n"))
    with pytest.raises(RatingsError, match="more than one column 'mos'"):
        read_ratings(csv("listener,system,utterance,mos,mos\na,m,u,4,1\n"), {"score": "mos"})
    found = read_ratings(csv(f"{HEADER},remark,remark\na,m,u,4,x,y\n"))
    assert found.frame["score"].tolist() == [4.0]


def test_our_own_names_in_capitals_are_advised(csv) -> None:
    with pytest.raises(RatingsError, match="--columns listener=Listener,score=Score"):
        read_ratings(csv("Listener,system,utterance,Score\na,m,u,4\n"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "cannot be read"),
        (f"{HEADER}\n", "no usable rating"),
        (f"{HEADER}\na,b,c,4,5,6,7\nx,y\na,b,c,4,5,6,7,8\n", r"row 2 \(7\), row 3 \(2\)"),
        (f'{HEADER}\na,b,"c,4\n', "cannot be read|number of fields"),
    ],
)
def test_unusable_files(csv, text: str, fault: str) -> None:
    with pytest.raises(RatingsError, match=fault):
        read_ratings(csv(text))


def test_a_file_in_another_encoding(csv) -> None:
    with pytest.raises(RatingsError, match="cannot be read"):
        read_ratings(csv(f"{HEADER}\nÄnne,m,u,4\n", "latin-1"))


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(RatingsError, match="is not a file"):
        read_ratings(tmp_path / "none.csv")


def test_parquet_equals_csv(csv, tmp_path) -> None:
    pytest.importorskip("pyarrow")
    path = csv(f"{HEADER}\na,m,7,4\nb,m,7,3\n")
    pd.read_csv(path).to_parquet(tmp_path / "ratings.parquet")
    from_csv, from_parquet = read_ratings(path), read_ratings(tmp_path / "ratings.parquet")
    pd.testing.assert_frame_equal(from_csv.frame, from_parquet.frame, check_dtype=False)
    (tmp_path / "broken.parquet").write_bytes(b"PAR?")
    with pytest.raises(RatingsError):
        read_ratings(tmp_path / "broken.parquet")


def test_a_frame_keeps_its_rows_hash_whatever_their_order() -> None:
    frame = pd.DataFrame(
        {"listener": ["a", "b"], "system": "m", "utterance": [1, 2], "score": [4, 5]}
    )
    ours = ratings_from_frame(frame, source="study")
    turned = ratings_from_frame(frame.iloc[::-1], source="study")
    assert ours.sha256 == turned.sha256
    assert ours.frame["utterance"].tolist() == ["1", "2"]
    assert frame["score"].dtype == np.int64  # the caller's frame is not touched


def test_seats_of_pooled_studies_are_different_listeners() -> None:
    """Every study counts its seats from L0001; names of people are left as they are."""
    frame = pd.DataFrame(
        {
            "listener": ["L0001", "L0001", "L0002", "mary", "mary"],
            "system": "s", "utterance": "u", "score": [1, 5, 3, 4, 4],
            "study": ["one", "two", "two", "one", "two"], "trial": range(5),
        }
    )  # fmt: skip
    found = ratings_from_frame(frame, source="pooled")
    assert sorted(set(found.frame["listener"])) == ["mary", "one L0001", "two L0001", "two L0002"]
    assert any("1 seats, such as L0001" in note for note in found.notes)
    alone = ratings_from_frame(frame[frame["study"] == "two"], source="one study")
    assert sorted(alone.frame["listener"]) == ["L0001", "L0002", "mary"]
