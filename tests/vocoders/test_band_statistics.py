"""Statistics files of every release, against the libraries that write them."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from evalsuite.errors import CheckpointError, Unavailable
from vocoders import band_statistics
from vocoders.band_statistics import read_statistics

MEAN = np.linspace(-4, -1, 80)
SCALE = np.linspace(0.4, 1.2, 80)


def test_numpy_rows_are_mean_and_deviation(tmp_path: Path) -> None:
    np.save(tmp_path / "stats.npy", np.stack([MEAN, SCALE]))
    found = read_statistics(tmp_path / "stats.npy")
    np.testing.assert_array_equal(found.mean.numpy(), MEAN.astype(np.float32))
    np.testing.assert_array_equal(found.scale.numpy(), SCALE.astype(np.float32))


def test_hdf5_is_read_with_h5py(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "stats.h5", "w") as file:
        file["mean"], file["scale"] = MEAN.astype(np.float32), SCALE.astype(np.float32)
    found = read_statistics(tmp_path / "stats.h5")
    np.testing.assert_array_equal(found.mean.numpy(), MEAN.astype(np.float32))
    np.testing.assert_array_equal(found.scale.numpy(), SCALE.astype(np.float32))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["feats"] = MEAN
    with pytest.raises(CheckpointError, match="its data sets are feats"):
        read_statistics(tmp_path / "other.h5")


def test_without_h5py_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(band_statistics.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"pip install h5py, or give a \.npy"):
        read_statistics(tmp_path / "stats.h5")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5, None])
def test_a_scaler_of_scikit_learn_is_read_without_unpickling(
    tmp_path: Path, protocol: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    joblib = pytest.importorskip("joblib")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    frames = np.random.default_rng(0).normal(MEAN, SCALE, (200, 80))
    scaler = preprocessing.StandardScaler().fit(frames)
    joblib.dump(scaler, tmp_path / "meanvar.joblib", protocol=protocol)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("unpickled")

    monkeypatch.setattr(pickle, "load", never)
    monkeypatch.setattr(joblib, "load", never)
    monkeypatch.setattr(preprocessing.StandardScaler, "__setstate__", never)
    found = read_statistics(tmp_path / "meanvar.joblib")
    np.testing.assert_array_equal(found.mean.numpy(), scaler.mean_.astype(np.float32))
    np.testing.assert_array_equal(found.scale.numpy(), scaler.scale_.astype(np.float32))


class Bait:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return eval, (f"open({str(self.path)!r}, 'w').close()",)


@pytest.mark.parametrize(
    ("hide", "match"),
    [
        (lambda bait, path: path.write_bytes(pickle.dumps(bait)), "it names builtins.eval"),
        (
            lambda bait, path: path.write_bytes(pickle.dumps({"mean_": bait}, 0)),
            "it names __builtin__.eval",
        ),
        (
            lambda bait, path: path.write_bytes(
                b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)R" + pickle.dumps(bait, 0)[:-1] + b"b."
            ),
            "it names __builtin__.eval",
        ),
        (
            lambda bait, path: path.write_bytes(
                b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n(" + pickle.dumps(bait, 0)[:-1] + b"tR."
            ),
            "it names __builtin__.eval",
        ),
    ],
)
def test_code_in_a_joblib_file_is_refused(
    tmp_path: Path, hide: Callable[[Bait, Path], None], match: str
) -> None:
    sprung = tmp_path / "sprung"
    hide(Bait(sprung), tmp_path / "meanvar.joblib")
    with pytest.raises(CheckpointError, match=match):
        read_statistics(tmp_path / "meanvar.joblib")
    assert not sprung.exists()


def test_pickled_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    objects = np.array([[Bait(sprung)], [Bait(sprung)]], dtype=object)
    np.save(tmp_path / "stats.npy", objects, allow_pickle=True)
    with pytest.raises(CheckpointError, match="no usable statistics"):
        read_statistics(tmp_path / "stats.npy")
    joblib = pytest.importorskip("joblib")
    joblib.dump({"mean_": objects}, tmp_path / "meanvar.joblib")
    with pytest.raises(CheckpointError, match=r"array of type 'O8'|no uncompressed joblib file"):
        read_statistics(tmp_path / "meanvar.joblib")
    assert not sprung.exists()


def test_cut_joblib_files_are_refused(tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    scaler = preprocessing.StandardScaler().fit(np.random.default_rng(0).normal(size=(9, 80)))
    path = tmp_path / "meanvar.joblib"
    joblib.dump(scaler, path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="no usable statistics"):
            read_statistics(path)
    joblib.dump(scaler, path, compress=3)
    with pytest.raises(CheckpointError, match="no uncompressed joblib file"):
        read_statistics(path)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.zeros((3, 80)), r"shape \(3, 80\)"),
        (np.stack([MEAN, 0 * SCALE]), "deviation not positive"),
        (np.stack([MEAN, SCALE * np.nan]), "not finite"),
        (np.zeros((2, 0)), r"shape \(0,\)"),
    ],
)
def test_impossible_statistics_are_refused(tmp_path: Path, values: np.ndarray, match: str) -> None:
    np.save(tmp_path / "stats.npy", values)
    with pytest.raises(CheckpointError, match=match):
        read_statistics(tmp_path / "stats.npy")


def test_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"one of \.h5, \.hdf5, \.npy, \.joblib"):
        read_statistics(tmp_path / "stats.csv")
    with pytest.raises(CheckpointError, match="No such file"):
        read_statistics(tmp_path / "stats.npy")
