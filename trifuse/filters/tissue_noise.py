"""How noisy a picture is where it shows something: black and white hide noise, because it is clipped there."""

from __future__ import annotations

from torch import Tensor

SIDE = 16
"""Of a block in pixels."""

QUIET_SHARE = 0.1
"""Of the blocks have no more than noise."""

SHOWN = (0.1, 0.9)
"""Mean levels of the blocks that are looked at."""


def tissue_noise(image: Tensor) -> float:
    """Standard deviation of the noise of a picture `(H, W)`, 0..1, in its tenth quietest grey block.

    The noise of a block is the root mean square of its finest diagonal differences (Donoho 1995), so that what
    is smooth or straight does not count. 0 if no block is grey, or the picture is smaller than a block.
    """
    side = SIDE // 2
    rows, columns = (n // SIDE * side for n in image.shape)
    quads = image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2)
    diagonal = (quads[:, 0, :, 0] - quads[:, 1, :, 0] - quads[:, 0, :, 1] + quads[:, 1, :, 1]) / 2
    noise, level = (
        part.reshape(rows // side, side, columns // side, side).mean(dim=(1, 3))
        for part in (diagonal.square(), quads.mean(dim=(1, 3)))
    )
    seen = noise[(level > SHOWN[0]) & (level < SHOWN[1]) & (noise > 0)]
    return float(seen.quantile(QUIET_SHARE).sqrt()) if len(seen) else 0.0
