"""What an error of a library says, in one line for a message."""

__all__ = ["first_line"]


def first_line(error: BaseException) -> str:
    r"""Return the first line of an error's text, or its type if that says nothing.

    >>> first_line(ValueError("bad header\nlong advice")), first_line(EOFError())
    ('bad header', 'EOFError')
    """
    kind = type(error).__name__
    lines = str(error).strip().splitlines() or [kind]
    # A missing key alone, often a number, reads as no fault at all.
    return f"{kind}: {lines[0]}" if isinstance(error, KeyError) else lines[0]
