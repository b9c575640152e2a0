"""Piella's edge-dependent fusion quality index Q_E."""

from __future__ import annotations

from collections.abc import Sequence

from trifuse.metrics.base import MetricCard, metric
from trifuse.metrics.gradients import PREWITT, gradients, length
from trifuse.metrics.pixels import Pixels
from trifuse.metrics.q_w import q_w

CARD = MetricCard(
    name="q_e",
    title="Piella's edge-dependent fusion quality index (Q_E)",
    summary="Q_W of the images times Q_W of their edge images.",
    formula="Q_E = Q_W(S, F) Q_W(S', F')^a, a = 1, X' = sqrt(gx^2 + gy^2) by Prewitt operators",
    paper="Piella and Heijmans, Proc. ICIP, 2003",
    direction="high",
    range=(-1, 1),
    kind="joint",
    reduce="weighted",
    volumes="generalised",
    min_size=11,
    notes="Zeros beyond the border. A negative edge term counts as it is (a = 1). Volumes: 3-D Prewitt gradients.",
    pitfalls="Liu's program stops on this case with an undefined variable, so published values are rare.",
)


@metric(CARD)
def q_e(fused: Pixels, sources: Sequence[Pixels]) -> float:
    """Product of the index of the images and of their edges."""
    of_images = q_w.measure(fused, sources)
    return float(of_images * q_w.measure(edge_image(fused), [edge_image(source) for source in sources]))


def edge_image(image: Pixels) -> Pixels:
    """Length of the Prewitt gradient, remembered."""
    return image.once("prewitt", lambda: Pixels(length(gradients(image.values, middle=PREWITT))))
