"""Copy a data set in the MVTec layout without its colour: what `seeds.py` then measures on plates in grey.

python benchmarks/grey.py DATA GREY && python benchmarks/seeds.py GREY --seeds 0
"""

import sys
from pathlib import Path

from PIL import Image


def main() -> None:
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    for path in sorted(data.rglob("*.png")):
        target = out / path.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).convert("L").save(target)


if __name__ == "__main__":
    main()
