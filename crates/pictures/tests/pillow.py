"""Writes two photographs of scikit-image as JPEG and PNG, and what Pillow makes of each, for the test of the same name.

`NAME.jpg` and `NAME.rgb`, its bytes; `NAME.png` and `NAME.crop`, `NAME.squash`, the bytes of 224x224 pixels: the height is resized first,
then the width, as here. `NAME.once` is squashed in one call of Pillow, which has the width first. Takes the folder.
"""

import pathlib
import sys

from PIL import Image
from skimage import data

FOLDER = pathlib.Path(sys.argv[1])
SIDE = 224
FILTER = Image.Resampling.BILINEAR

for name, photo in (("astronaut", data.astronaut()), ("chelsea", data.chelsea())):
    picture = Image.fromarray(photo)
    for kind, subsampling in (("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2), ("grey", -1)):
        file = FOLDER / f"{name} {kind.replace(':', '')}.jpg"
        (picture.convert("L") if kind == "grey" else picture).save(file, quality=92, subsampling=subsampling)
        file.with_suffix(".rgb").write_bytes(Image.open(file).convert("RGB").tobytes())
    picture.save(FOLDER / f"{name}.png")
    side = min(picture.size)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    for kind, x, y in (("crop", left, top), ("squash", 0, 0)):
        flat = picture.resize((picture.width, SIDE), FILTER, box=(0, y, picture.width, picture.height - y))
        resized = flat.resize((SIDE, SIDE), FILTER, box=(x, 0, picture.width - x, SIDE))
        (FOLDER / f"{name}.{kind}").write_bytes(resized.tobytes())
    (FOLDER / f"{name}.once").write_bytes(picture.resize((SIDE, SIDE), FILTER).tobytes())
