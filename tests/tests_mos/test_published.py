import pytest

from evalsuite.errors import UnknownName
from tests_mos.published import TABLES, published_table

# Typed in a second time, from the printed tables: (mos, half width) by name.
OPINIONS = {
    2: "w/ Spectral Normalization 1.33 .07|w/ L1 loss (audio space) 2.59 .11|"
    "w/o Window-based Discriminator 2.29 .10|w/o Dilated Convolutions 2.60 .10|"
    "w/o Multi-scale Discriminator 2.93 .11|w/o Weight Normalization 3.03 .10|"
    "Baseline (MelGAN) 3.09 .11",
    3: "Griffin-Lim 1.57 .04|WaveGlow 4.11 .05|WaveNet 4.05 .05|MelGAN 3.61 .06|Original 4.52 .04",
    4: "Griffin-Lim 1.72 .07|MelGAN 3.49 .09|Original 4.19 .08",
    5: "Tacotron2 + WaveGlow 3.52 .04|Text2mel + WaveGlow 4.10 .03|Text2mel + MelGAN 3.72 .04|"
    "Text2mel + Griffin-Lim 1.43 .04|Original 4.46 .04",
}


@pytest.mark.parametrize("number", OPINIONS)
def test_opinion_scores(number: int) -> None:
    rows = [row.rsplit(" ", 2) for row in OPINIONS[number].split("|")]
    expected = [(name, {"mos": float(mos), "ci": float(ci)}) for name, mos, ci in rows]
    table = published_table(number)
    assert [(row.name, dict(row.values)) for row in table.rows] == expected
    assert (table.number, table.hardware) == (number, "")
    assert f"arXiv 1910.06711, table {number}" in table.source


def test_speed() -> None:
    table = published_table(1)
    found = {row.name.split(" ")[0]: tuple(row.values.values()) for row in table.rows}
    assert found == {
        "WaveNet": (24.7, 0.0627, 0.0787),
        "ClariNet": (10.0, 1.96, 221),
        "WaveGlow": (87.9, 1.58, 223),
        "MelGAN": (4.26, 51.9, 2500),
    }
    assert list(table.rows[0].values) == ["parameters_million", "cpu_khz", "gpu_khz"]
    assert "GTX 1080 Ti" in table.hardware and "i9-7920X" in table.hardware


def test_other_tables_do_not_exist() -> None:
    assert TABLES == (1, 2, 3, 4, 5)
    with pytest.raises(UnknownName, match="1 to 5"):
        published_table(6)
