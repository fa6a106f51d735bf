"""What published files hold is found, and nothing in them ever runs."""

import io
import pickle
import pickletools
import random
import sys
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import pickled_glow  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from evalsuite.errors import CheckpointError  # noqa: E402
from vocoders.containers import read_container, read_state_dict  # noqa: E402
from vocoders.inert_pickle import InertUnpickler  # noqa: E402

STATE = {"conv.bias": torch.arange(3.0), "conv.weight": torch.randn(3, 2, 5)}
OTHER = {"conv.bias": torch.zeros(3), "conv.weight": torch.zeros(3, 2, 5)}
LEGACY = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])


SHARED: Any = {"a": 1}
for _ in range(30):  # a thousand million values, written out
    SHARED = {"a": SHARED, "b": SHARED}


def saved(content: object, path: Path, *, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def same(given: Any, wanted: Any) -> bool:
    return given.keys() == wanted.keys() and all(torch.equal(given[k], wanted[k]) for k in wanted)


# --- containers of section 4 of the releases ---------------------------------------------------


@LEGACY
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (OrderedDict(STATE), "state dict alone"),
        ({"state_dict": STATE, "global_step": 3, "optimizer": {"state": {}}}, "'state_dict'"),
        ({"model_g": STATE, "model_d": OTHER, "githash": "8f45c0"}, "'model_g'"),
        ({"generator": STATE}, "'generator'"),
        (
            {
                "model": {"generator": STATE, "discriminator": OTHER},
                "scheduler": {"milestones": Counter([200000])},
            },
            "'model.generator'",
        ),
        ({"model": STATE, "iteration": 1}, "'model'"),
        ({"ema": STATE, "state_dict": OTHER}, "'ema'"),
    ],
)
def test_generators_are_found_where_releases_have_them(
    tmp_path: Path, content: object, kind: str, legacy: bool
) -> None:
    found = read_container(saved(content, tmp_path / "g.pt", legacy=legacy))
    assert kind in found.kind
    assert same(found.tensors, STATE)


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "g.safetensors")
    assert same(read_container(tmp_path / "g.safetensors").tensors, STATE)


@pytest.mark.parametrize(
    ("beside", "settings"),
    [
        ({"config": {"n_flows": 12, "WN_config": {"n_layers": 8}}}, None),
        ({"hp_str": "audio:\n  n_mel_channels: 80\n"}, {"audio": {"n_mel_channels": 80}}),
        ({"hp_str": "[not a mapping"}, {}),
        ({"hp_str": "a: &a [1, 2]\nb: [*a, *a]"}, {}),
        ({"hp_str": "a: " + "[" * 50_000 + "]" * 50_001}, {}),
        ({"config": SHARED}, {}),
        ({}, {}),
    ],
)
def test_settings_beside_the_tensors_are_kept(
    tmp_path: Path, beside: dict[str, Any], settings: dict[str, Any] | None
) -> None:
    found = read_container(saved({"state_dict": STATE} | beside, tmp_path / "g.pt"))
    assert found.settings == (beside["config"] if settings is None else settings)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"optimizer": {}, "model": {"discriminator": OTHER}}, "a dict with 'optimizer', 'model'"),
        ({}, "an empty dict"),
        ([torch.zeros(1)], "a list"),
        ({1: torch.zeros(1)}, "a dict with 1"),
    ],
)
def test_a_file_without_a_generator_says_what_it_holds(
    tmp_path: Path, content: object, found: str
) -> None:
    path = saved(content, tmp_path / "g.pt")
    with pytest.raises(CheckpointError, match=r"'model\.generator'") as error:
        read_container(path)
    assert error.value.got == f"{path} holds {found}"
    with pytest.raises(CheckpointError, match="bare state dict"):
        read_state_dict(path)


# --- whole pickled networks --------------------------------------------------------------------


@LEGACY
@pytest.mark.parametrize("old_backend", [False, True])
def test_a_whole_waveglow_gives_its_state_dict(
    tmp_path: Path, legacy: bool, old_backend: bool
) -> None:
    path = tmp_path / "waveglow.pt"
    state = pickled_glow.save_whole_network(path, legacy=legacy, old_backend=old_backend)
    assert "glow" not in sys.modules
    found = read_container(path)
    assert found.kind == "pickled network 'model' of a dict"
    assert same(found.tensors, state)
    assert "WN.0.in_layers.0.weight_g" in state  # the oracle has what matters
    assert "glow" not in sys.modules


def test_classes_of_other_code_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "own.pt"
    with pickled_glow.glow_module() as glow:
        network = glow.Invertible1x1Conv(2)
        type(network).__module__ = "mallory"
        sys.modules["mallory"] = glow
        try:
            torch.save({"model": network}, path)
        finally:
            del sys.modules["mallory"]
    with pytest.raises(CheckpointError, match=r"it names mallory\.Invertible1x1Conv"):
        read_container(path)


# --- attacks: each would create a file ---------------------------------------------------------


class Call:
    """Unpickling it calls a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


def touch(path: Path) -> str:
    return f"open({str(path)!r}, 'w').close()"


def by_system(path: Path) -> object:
    import os

    return Call(os.system, f"touch {path}")


def by_eval(path: Path) -> object:
    return Call(eval, touch(path))


def by_exec(path: Path) -> object:
    return Call(exec, touch(path))


def by_path(path: Path) -> object:
    return Call(Path.touch, path)


def by_state(path: Path) -> object:
    """Hidden in the state of an object, as a network's hooks would be."""
    return {"hooks": OrderedDict(a=[Call(eval, touch(path))])}


def by_counter(path: Path) -> object:
    return Counter([Call(eval, touch(path)).__class__.__name__]), Call(eval, touch(path))


ATTACKS = [by_system, by_eval, by_exec, by_path, by_state, by_counter]


def zip_of(pickled: bytes, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    return path


def legacy_of(pickled: bytes, path: Path, *, position: int = 3) -> Path:
    """Write the pickles of the legacy format; `position` is where the attack stands."""
    magic, protocol, machine = 0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}
    parts = [pickle.dumps(part) for part in (magic, protocol, machine, {"model": 1}, [])]
    parts[position] = pickled
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_is_refused_and_does_not_run(
    tmp_path: Path, attack: Callable[[Path], object], protocol: int
) -> None:
    sprung = tmp_path / "sprung"
    pickled = pickle.dumps({"model": attack(sprung), **STATE}, protocol)
    files = [
        zip_of(pickled, tmp_path / "zip.pt"),
        *(legacy_of(pickled, tmp_path / f"legacy{i}.pt", position=i) for i in range(5)),
        tmp_path / "plain.pkl",
    ]
    files[-1].write_bytes(pickled)
    for path in files:
        with pytest.raises(CheckpointError, match=r"is not plain tensors|cannot be read") as error:
            read_container(path)
        assert not sprung.exists(), path
        assert "weights_only" not in str(error.value)  # torch advises an unsafe load
    # The bait is a real one: an unsafe load springs it.
    pickle.loads(pickled)
    assert sprung.exists()


def reference(*parts: bytes) -> bytes:
    """Refer to something outside the pickle by a tuple of these opcodes."""
    return b"\x80\x02(" + b"".join(parts) + b"tQ."


SYSTEM = b"cposix\nsystem\n"


def command(path: Path) -> bytes:
    text = f"touch {path}".encode()
    return b"(X" + len(text).to_bytes(4, "little") + text + b"t"


@pytest.mark.parametrize(
    "attack",
    [
        # A persistent id that is built by a call, and one that names the function as its class.
        lambda p: reference(b"X\x07\x00\x00\x00storage", SYSTEM + command(p) + b"R"),
        lambda p: reference(b"X\x06\x00\x00\x00module", SYSTEM, b"NN"),
        # The opcodes of protocol 0 and 1 that make objects.
        lambda p: b"(" + command(p)[1:-1] + b"iposix\nsystem\n.",
        lambda p: b"(" + SYSTEM + command(p)[1:-1] + b"o.",
        # A known class, made with a call as its argument, and given a call as its state.
        lambda p: b"\x80\x02cglow\nWaveGlow\n(" + SYSTEM + command(p) + b"RtR.",
        lambda p: b"\x80\x02cglow\nWaveGlow\n)R" + SYSTEM + command(p) + b"Rb.",
        # A way from a known module to everything.
        lambda p: b"\x80\x04\x8c\x05torch\x8c\x09os.system\x93" + command(p) + b"R.",
        lambda p: b"ctorch.nn.modules.module\nSystem\n" + SYSTEM + command(p) + b"R0.",
        lambda p: b"cbuiltins\n__import__\n(X\x02\x00\x00\x00ostR.",
    ],
)
def test_opcodes_that_lead_to_code_are_refused(
    tmp_path: Path, attack: Callable[[Path], bytes]
) -> None:
    pickled = attack(tmp_path / "sprung")
    list(pickletools.genops(pickled))  # a pickle all the same
    for path in (
        zip_of(pickled, tmp_path / "zip.pt"),
        legacy_of(pickled, tmp_path / "legacy.pt"),
        legacy_of(pickled, tmp_path / "first.pt", position=0),
    ):
        with pytest.raises(CheckpointError):
            read_container(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "pickled",
    [
        # Attributes of what a pickle names: the class of ordered dicts, a function, a stand-in.
        b"ccollections\nOrderedDict\nN}X\x01\x00\x00\x00aK\x01s\x86b.",
        b"ctorch._utils\n_rebuild_tensor_v2\nN}X\x05\x00\x00\x00_callK\x01s\x86b.",
        b"cglow\nWN\nN}X\x0c\x00\x00\x00__setstate__K\x01s\x86b.",
        b"ctorch\nFloatStorage\n)R.",
    ],
)
def test_what_a_pickle_names_cannot_be_changed(pickled: bytes) -> None:
    with pytest.raises((pickle.UnpicklingError, TypeError, AttributeError)):
        InertUnpickler(io.BytesIO(pickled)).load()
    assert not hasattr(OrderedDict, "a")


def test_names_from_a_known_module_stay_lifeless() -> None:
    found = InertUnpickler(
        io.BytesIO(b"ctorch.nn.modules.module\nos.system\n(Vtouch x\ntR.")
    ).load()
    assert type(found).__name__ == "os.system"
    assert (type(found).__mro__[1].__name__, found.state) == ("InertObject", None)


@pytest.mark.parametrize(
    "tensor",
    [
        "((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI4\ntQI0\n(I5\nt(I1\nttR",  # too long
        "((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI4\ntQI3\n(I2\nt(I1\nttR",  # too late
        "((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI4\ntQI-1\n(I2\nt(I1\nttR",  # before
        "((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI4\ntQI0\n(I9\nt(I0\nttR",  # no stride
        "((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI4\ntQI0\n(I2\nt(I-1\nttR",  # backwards
        "((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI9\ntQI0\n(I9\nt(I1\nttR",  # a lie
        "((S'storage'\nctorch\nFloatStorage\nS'1'\nS'cpu'\nI4\ntQI0\n(I2\nt(I1\nttR",  # elsewhere
        "(NI0\n(I2\nt(I1\nttR",  # nowhere
    ],
)
def test_tensors_that_reach_beyond_their_storage_are_refused(tmp_path: Path, tensor: str) -> None:
    network = f"(dS'a'\nctorch._utils\n_rebuild_tensor_v2\n{tensor}sS'm'\ncglow\nWN\n)Rs."
    path = tmp_path / "g.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", network)
        archive.writestr("archive/data/0", bytes(16))
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_container(path)


# --- damage ------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 broken zip"])
@pytest.mark.parametrize("name", ["g.pt", "g.safetensors"])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        read_container(tmp_path / name)


@LEGACY
def test_cut_and_flipped_files_are_read_or_refused(tmp_path: Path, legacy: bool) -> None:
    """Whatever happens to a file, the answer is tensors of the right kind or one error."""
    path = tmp_path / "g.pt"
    state = pickled_glow.save_whole_network(path, legacy=legacy)
    whole, chance = path.read_bytes(), random.Random(0)
    n_refused = 0
    for trial in range(150):
        content = bytearray(whole)
        if trial % 3 == 0:
            del content[chance.randrange(len(content)) :]
        else:
            for _ in range(1 + trial % 4):
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(content))
        try:
            tensors = read_container(path).tensors
        except CheckpointError:
            n_refused += 1
        else:
            assert all(isinstance(tensor, Tensor) for tensor in tensors.values())
    assert n_refused > 50  # every cut at least
    path.write_bytes(whole)
    assert same(read_container(path).tensors, state)


def test_the_oldest_tar_format_is_refused(tmp_path: Path) -> None:
    import tarfile

    path = tmp_path / "g.pt"
    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            info = tarfile.TarInfo(name)
            pickled = pickle.dumps(Call(eval, touch(tmp_path / "sprung")))
            info.size = len(pickled)
            archive.addfile(info, io.BytesIO(pickled))
    with pytest.raises(CheckpointError):
        read_container(path)
    assert not (tmp_path / "sprung").exists()
