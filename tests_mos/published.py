"""The paper's printed figures, typed in once with their source; they never mix with measured ones.

Source: Kumar et al. 2019, *MelGAN: Generative Adversarial Networks for Conditional Waveform
Synthesis*, NeurIPS 2019, arXiv 1910.06711, tables 1 to 5.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from evalsuite.errors import UnknownName
from evalsuite.tables.published import PublishedRow, PublishedTable
from tests_mos.strict_yaml import StrictModel, read_model

__all__ = ["TABLES", "published_table"]

_FOLDER = Path(__file__).parent / "paper"
TABLES = (1, 2, 3, 4, 5)

Positive = Annotated[float, Field(gt=0)]


class _Opinion(StrictModel):
    name: str
    mos: Annotated[float, Field(ge=1, le=5)]
    ci: Positive


class _Speed(StrictModel):
    name: str
    parameters_million: Positive
    cpu_khz: Positive
    gpu_khz: Positive


class _Table(StrictModel):
    number: int
    title: str
    source: str
    hardware: str = ""
    rows: tuple[_Opinion, ...] | tuple[_Speed, ...]


def published_table(number: int) -> PublishedTable:
    """Printed figures of one table of the paper.

    Returns
    -------
    Table 1: parameters in millions, speed in kHz. Tables 2 to 5: mean opinion score and the half
    width of its 95 % interval, in points of the scale.

    Raises
    ------
    UnknownName if the paper has no such table.

    >>> published_table(3).rows[-1]
    PublishedRow(name='Original', values={'mos': 4.52, 'ci': 0.04})
    """
    if number not in TABLES:
        raise UnknownName(
            f"table {number}", wanted="1 to 5: the paper's tables", do="choose one of them"
        )
    table = read_model(_FOLDER / f"table{number}.yaml", _Table)
    rows = tuple(PublishedRow(row.name, row.model_dump(exclude={"name"})) for row in table.rows)
    return PublishedTable(table.number, table.title, rows, table.source, table.hardware)
