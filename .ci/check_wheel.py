"""Check what the wheel puts into site-packages: four packages, their data files, nothing else."""

import sys
import zipfile

WANTED = {"evalsuite", "vocoders", "tests_mos", "dashboard"}
DATA = (".yaml", ".js", ".css", ".html.jinja", "py.typed", ".safetensors", "model_card.json")
LEFT_OUT = "vocoders/weights/state"  # 26 MB that only a training needs


def main(wheel: str) -> None:
    """Leave with a message if the top level differs or a data file is missing."""
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    if top != WANTED:
        raise SystemExit(f"top level of the wheel: {sorted(top)}; wanted {sorted(WANTED)}")
    for ending in DATA:
        if not any(name.endswith(ending) for name in names):
            raise SystemExit(f"the wheel holds no file that ends in {ending}")
    if any(name.startswith(LEFT_OUT) for name in names):
        raise SystemExit(f"the wheel holds {LEFT_OUT}")
    print(f"wheel: {len(names)} files, top level {', '.join(sorted(top))}")


if __name__ == "__main__":
    main(sys.argv[1])
