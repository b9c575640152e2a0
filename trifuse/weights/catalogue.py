"""The checkpoints that trifuse knows. A new one is one line here.

Those with a `file` come with the package. The others were published without leave to pass them on, or nowhere that
a program can fetch them from; users add their own copy with `trifuse weights add NAME FILE`.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A checkpoint.

    Attributes:
        name: how methods, metrics and users call it.
        used_by: the methods and metrics that need it.
        origin: who made it, and where it is found.
        licence: under which it may be used.
        file: its name in the package's folder `trifuse/weights/shipped`, None for a user's file.
        sha256: of the file; None where no published digest is known (the user's is then recorded).
        recipe: of the package, which makes such weights (`trifuse train NAME`); None for a user's file.
    """

    name: str
    used_by: tuple[str, ...]
    origin: str
    licence: str
    file: str | None = None
    sha256: str | None = None
    recipe: str | None = None


_ENTRIES = (
    Entry(
        name="tfs-diff",
        used_by=("tfs-diff",),
        origin="trained by an earlier chain of recipes; see tfs-diff.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="tfs-diff.safetensors",
        sha256="6ffd4e06d0f594a4b98e6cf2cc98c6bd9ff18fa37ffab8c2b57eeafac5dcf1c9",
        recipe="tfs-diff",
    ),
    Entry(
        name="source-sr",
        used_by=("tfs-diff",),
        origin="trained by an earlier chain of recipes; see source-sr.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="source-sr.safetensors",
        sha256="0b1474e825201116464169050c783168f9e23314f3817e1c9bf0ead8b8ccf661",
        recipe="source-sr",
    ),
    Entry(
        name="degradation-judge",
        used_by=("tfs-diff",),
        origin="trained by trifuse/recipes/train/degradation-judge.yaml; see degradation-judge.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="degradation-judge.safetensors",
        sha256="274dfae11525e55f2800102beb3c1a2cf1f5fbe1cd0fee3d80636b224819efa0",
        recipe="degradation-judge",
    ),
    Entry(
        name="fusion-rule",
        used_by=("tfs-diff",),
        origin="trained by an earlier chain of recipes; see fusion-rule.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="fusion-rule.safetensors",
        sha256="3c75d8f720a18dfe73af362356aae7d84bf5fd3672cd8db7649a6e952bae2127",
        recipe="fusion-rule",
    ),
    Entry(
        name="sr3",
        used_by=("sr3",),
        origin="trained by trifuse/recipes/train/sr3.yaml; see sr3.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="sr3.safetensors",
        sha256="34b285d983eadb2ab379ac9fe3a07918ae5d78cd413425fc5e056ad205931bc5",
        recipe="sr3",
    ),
    Entry(
        name="brain-prior",
        used_by=("ddfm", "ddfm-palm"),
        origin="trained by the first stage of trifuse/recipes/train/brain-prior.yaml; see brain-prior.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="brain-prior.safetensors",
        sha256="9d4cb9275967647ad686e6ce0bea2c9d9f99004659dabc96703903c942011d89",
        recipe="brain-prior",
    ),
    Entry(
        name="dc2fusion",
        used_by=("dc2fusion",),
        origin="trained by trifuse/recipes/train/dc2fusion.yaml; see dc2fusion.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="dc2fusion.safetensors",
        sha256="9f23770a8b39724e949e4f31f656481f3515e0392e1fecd1abfa81b0241e5be1",
        recipe="dc2fusion",
    ),
    Entry(
        name="dc2fusion-blend",
        used_by=("dc2fusion",),
        origin="trained by trifuse/recipes/train/dc2fusion-blend.yaml; see dc2fusion-blend.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="dc2fusion-blend.safetensors",
        sha256="a98eb6bcd102f176cc78b73a31d1333093007d3c2cbb880b16839d04225c79f0",
        recipe="dc2fusion-blend",
    ),
    Entry(
        name="tfs-diff-fast",
        used_by=("tfs-diff",),
        origin="trained by trifuse/recipes/train/tfs-diff-fast.yaml; see tfs-diff-fast.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="tfs-diff-fast.safetensors",
        sha256="0f1fd1002ea0547f6841e0b6621ad693aa50596502cd8964264d609efb3b63f3",
        recipe="tfs-diff-fast",
    ),
    Entry(
        name="tfs-diff-regression",
        used_by=("tfs-diff",),
        origin="trained by trifuse/recipes/ablation/tfs-diff-regression.yaml; see tfs-diff-regression.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="tfs-diff-regression.safetensors",
        sha256="8557083bc1ada1d981ca45042fdfd8b321b118ea2919858b504f00d94462d899",
        recipe="tfs-diff-regression",
    ),
    Entry(
        name="dncnn-small",
        used_by=("palm",),
        origin="trained by an earlier script; see dncnn-small.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="dncnn-small.safetensors",
        sha256="833a153f0f2ef06b77b015e2000305c03cbf66fb2b168ea05cd0a7ff51049e18",
        recipe="dncnn-small",
    ),
    Entry(
        name="u2fusion",
        used_by=("u2fusion",),
        origin="trained by trifuse/recipes/train/u2fusion.yaml; see u2fusion.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="u2fusion.safetensors",
        sha256="4aa1cac98ef31591dfe7f0d85bea0bb5f57581043f7b003a07ff068d23e37d1a",
        recipe="u2fusion",
    ),
    Entry(
        name="dilran",
        used_by=("dilran",),
        origin="trained by trifuse/recipes/train/dilran.yaml; see dilran.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="dilran.safetensors",
        sha256="6c1c2ca1a1f0659ee443c99a75bdb45614c5d8bc962e9e159da97e0258ca24dd",
        recipe="dilran",
    ),
    Entry(
        name="cddfuse",
        used_by=("cddfuse",),
        origin="trained by trifuse/recipes/train/cddfuse.yaml; see cddfuse.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="cddfuse.safetensors",
        sha256="70a31573b4dfc8b538ffe8be3a8e40ef0acd759c6fbe4a6e8c415e4a1940e702",
        recipe="cddfuse",
    ),
    Entry(
        name="swinfuse",
        used_by=("swinfuse",),
        origin="trained by trifuse/recipes/train/swinfuse.yaml; see swinfuse.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="swinfuse.safetensors",
        sha256="d8a5091436651710539dff11d6e110a750843243e7ad28115c1900373c8ca5a9",
        recipe="swinfuse",
    ),
    Entry(
        name="tgfuse",
        used_by=("tgfuse",),
        origin="trained by trifuse/recipes/train/tgfuse.yaml; see tgfuse.md beside it",
        licence="Apache-2.0; research use, not a medical device",
        file="tgfuse.safetensors",
        sha256="3488d18ad7449723630def171dae64514deb67b5841be46e94e7951c42d9bc71",
        recipe="tgfuse",
    ),
    Entry(
        name="lpips",
        used_by=("lpips",),
        origin="weights v0.1 of richzhang/PerceptualSimilarity with AlexNet's convolutions (keys features.N.weight, "
        "features.N.bias, linK.weight), as .npz or .safetensors",
        licence="BSD-2-Clause",
    ),
    Entry(
        name="tfs-diff-official",
        used_by=("tfs-diff",),
        origin="github.com/XylonXu01/TFS-Diff, file I*_E*_gen.pth linked in its README",
        licence="none stated",
    ),
    Entry(
        name="sr3-official",
        used_by=("sr3",),
        origin="github.com/Janspiry/Image-Super-Resolution-via-Iterative-Refinement, file I*_E*_gen.pth",
        licence="Apache-2.0",
    ),
    Entry(
        name="guided-diffusion",
        used_by=("ddfm", "ddfm-palm"),
        origin="github.com/openai/guided-diffusion, file 256x256_diffusion_uncond.pt linked in its README",
        licence="MIT",
    ),
    Entry(
        name="cddfuse-official",
        used_by=("cddfuse",),
        origin="github.com/Zhaozixiang1228/MMIF-CDDFuse, file models/CDDFuse_MIF.pth",
        licence="see the repository",
    ),
    Entry(
        name="tgfuse-official",
        used_by=("tgfuse",),
        origin="github.com/dongyuya/TGFuse, file Epoch_19_iters_2500.model linked in models/Baiduyun",
        licence="see the repository",
    ),
    Entry(
        name="u2fusion-official",
        used_by=("u2fusion",),
        origin="github.com/hanna-xu/U2Fusion, model/model.ckpt with its arrays saved as safetensors under their names",
        licence="none stated",
    ),
    Entry(
        name="swinfuse-official",
        used_by=("swinfuse",),
        origin="github.com/Zhishe-Wang/SwinFuse, file linked in its README",
        licence="none stated",
    ),
    Entry(
        name="dilran-official",
        used_by=("dilran",),
        origin="github.com/simonZhou86/dilran, file pretrained/last.pt",
        licence="Apache-2.0",
    ),
)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
"""The entries by name."""
