"""The device a person asks for is there, or the verb stops before any work."""

from evalsuite.errors import Unavailable

__all__ = ["require_device"]


def require_device(name: str) -> None:
    """Refuse a device that is not here, whichever systems would have used it.

    Most systems compute on the CPU whatever they are told. Someone who asks for a GPU must not find
    out from the speed that there was none.

    Parameters
    ----------
    name : ``cpu`` and ``auto`` are always there.

    Raises
    ------
    ConfigError if the name means nothing, Unavailable if there is no such device here.
    """
    if name in ("cpu", "auto"):
        return
    try:
        from vocoders.layers import choose_device
    except ImportError as error:
        raise Unavailable(
            f"device {name!r} is not here: torch, which would use it, is not installed",
            wanted="cpu or auto, or torch with a CUDA device",
            do="use --device cpu, or pip install 'evalsuite[neural]'",
        ) from error
    choose_device(name)
