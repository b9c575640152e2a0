"""The metrics, one file each. A new metric or variant is one line here, or an entry point `trifuse.metrics`.

Names are lower case; `metric@variant` names a variant wherever common programs compute a metric differently.
Files are imported when a metric is asked for, so that listing the names costs nothing. `trifuse.metrics()` lists the
cards of all metrics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.core.errors import OptionError
from trifuse.core.registry import Registry, callable_package, hint

if TYPE_CHECKING:
    from trifuse.metrics.base import Metric, MetricCard

REGISTRY: Registry[Metric] = Registry(
    "metric",
    "trifuse.metrics",
    {
        "en": "en:en",
        "sd": "sd:sd",
        "sf": "sf:sf",
        "sf@vifb": "sf:vifb",
        "ag": "ag:ag",
        "ag@tang": "ag:tang",
        "ei": "ei:ei",
        "ce": "ce:ce",
        "mi": "mi:mi",
        "mi@evaluator": "mi:nats",
        "mi@tang": "mi:saturated",
        "mi@vifb": "mi:of_stretched",
        "mi@palm": "mi:twenty_bins",
        "mi@dc2": "mi:ten_bins",
        "q_mi": "q_mi:q_mi",
        "q_mi@dc2": "q_mi:hundred_bins",
        "q_te": "q_te:q_te",
        "q_te@liu": "q_te:swapped",
        "q_te@tsallis": "q_te:tsallis",
        "q_ncie": "q_ncie:q_ncie",
        "fmi_pixel": "fmi:pixel",
        "fmi_pixel@tang": "fmi:pixel_tang",
        "fmi_gradient": "fmi:gradient",
        "fmi_gradient@tang": "fmi:gradient_tang",
        "fmi_dct": "fmi:dct",
        "fmi_dct@tang": "fmi:dct_tang",
        "fmi_wavelet": "fmi:wavelet",
        "fmi_wavelet@tang": "fmi:wavelet_tang",
        "fmi_edge": "fmi:edge",
        "fmi_edge@tang": "fmi:edge_tang",
        "vif": "vif:vif",
        "vif@evaluator": "vif:evaluator",
        "vif@matlab": "vif:matlab",
        "vif@mean": "vif:mean",
        "qabf": "qabf:qabf",
        "qabf@corrected": "qabf:corrected",
        "qabf@matr": "qabf:matr",
        "qabf@liu": "qabf:liu",
        "qabf@palm": "qabf:palm",
        "nabf": "nabf:nabf",
        "scd": "scd:scd",
        "cc": "cc:cc",
        "ncc": "ncc:ncc",
        "mse": "mse:mse",
        "mse@tang": "mse:tang",
        "rmse": "rmse:rmse",
        "rmse@vifb": "rmse:vifb",
        "rmse@tfs": "rmse:tfs",
        "mae": "mae:mae",
        "mae@tfs": "mae:tfs",
        "nmse": "nmse:nmse",
        "psnr": "psnr:psnr",
        "psnr@evaluator": "psnr:evaluator",
        "psnr@tang": "psnr:tang",
        "psnr@vifb": "psnr:vifb",
        "psnr@mean": "psnr:mean",
        "ssim": "ssim:ssim",
        "ssim@sum": "ssim:total",
        "ssim@evaluator": "ssim:evaluator",
        "ssim@tang": "ssim:tang",
        "ssim@palm": "ssim:palm",
        "ms_ssim": "ms_ssim:ms_ssim",
        "mef_ssim": "mef_ssim:mef_ssim",
        "mef_ms_ssim": "mef_ms_ssim:mef_ms_ssim",
        "lpips": "lpips:lpips",
        "lpips@vgg": "lpips:vgg",
        "q_cv": "q_cv:q_cv",
        "q_cb": "q_cb:q_cb",
        "q_p": "q_p:q_p",
        "q_y": "q_y:q_y",
        "q_y@liu": "q_y:liu",
        "q_s": "q_s:q_s",
        "q_s@liu": "q_s:liu",
        "q_w": "q_w:q_w",
        "q_w@liu": "q_w:liu",
        "q_e": "q_e:q_e",
        "q_c": "q_c:q_c",
        "q_c@liu": "q_c:liu",
        "q_sf": "q_sf:q_sf",
        "q_m": "q_m:q_m",
        "lesion_cnr": "lesion_cnr:lesion_cnr",
        "lesion_lab": "lesion_lab:lesion_lab",
        "edge_recall": "edge_recall:edge_recall",
        "edge_recall@head": "edge_recall:in_head",
        "speckle": "speckle:speckle",
        "speckle@head": "speckle:in_head",
        "background_lift": "background_lift:background_lift",
        "uptake_rank": "uptake:rank",
        "uptake_error": "uptake:error",
    },
    plugins="trifuse.metrics",
    fault="base:fault",
)
"""Name -> file and function, in the order in which lists show them."""

ALIASES: dict[str, str] = {
    "viff": "vif",
    "nmi": "q_mi",
    "q_g": "qabf",
    "qcb": "q_cb",
    "qcv": "q_cv",
    "fmi": "fmi_pixel",
    "msssim": "ms_ssim",
}
"""Other names in the literature -> ours (what stands before the `@`)."""


def names(*, variants: bool = False) -> list[str]:
    """Names of all metrics, with their variants if asked for."""
    return [name for name in REGISTRY if variants or "@" not in name]


def resolve(name: str) -> str:
    """The registered name of a metric, however it is written (`MS-SSIM`, `viff@evaluator`).

    Raises:
        OptionError: if there is none; the message suggests the nearest.
    """
    if name in REGISTRY:
        return name
    base, at, variant = name.strip().lower().replace("-", "_").partition("@")
    wanted = ALIASES.get(base, base) + at + variant.replace("_", "-")
    if wanted in REGISTRY:
        return wanted
    raise OptionError(f"no metric is called {name!r}; {hint(wanted, [*REGISTRY, *ALIASES])}")


def get(name: str) -> Metric:
    """A metric by name or alias.

    Raises:
        OptionError: if there is none of that name; the message suggests the nearest.
    """
    return REGISTRY.get(resolve(name))


def origin(name: str) -> str:
    """The package that a metric comes from; see `Registry.origin`."""
    return REGISTRY.origin(resolve(name))


def card(name: str) -> MetricCard:
    """The card of a metric, which its variants share.

    Raises:
        OptionError: if there is none of that name.
    """
    return get(name).card


callable_package(__name__)
