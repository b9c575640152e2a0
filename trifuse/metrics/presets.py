"""Lists of metrics that go together: our default, and the programs behind published tables, defects included."""

from __future__ import annotations

from typing import NamedTuple

from trifuse.metrics import names


class Preset(NamedTuple):
    """A named list of metrics and what it stands for."""

    metrics: tuple[str, ...]
    about: str


def named(text: str) -> tuple[str, ...]:
    """Names separated by blanks."""
    return tuple(text.split())


_DEFAULT = named(
    "en sd sf ag ei ce mi q_mi q_te q_ncie fmi_pixel fmi_gradient fmi_dct fmi_wavelet vif qabf nabf scd cc "
    "mse rmse mae nmse psnr ssim ms_ssim mef_ssim mef_ms_ssim lpips q_cv q_cb q_p q_y q_s q_w q_c q_sf"
)

_SPECIAL = named("lesion_cnr lesion_lab uptake_rank uptake_error")

PRESETS: dict[str, Preset] = {
    "core": Preset(
        named("en sd sf ag mi vif qabf ssim scd cc psnr mse rmse mae"),
        "the metrics that nearly every fusion paper prints; quick",
    ),
    "default": Preset(_DEFAULT, "one well-defined variant of every common metric, for any number of sources"),
    "all": Preset(
        tuple(name for name in names() if name not in _SPECIAL),
        "the default variant of every metric that needs neither a lesion's mask nor uptake in colour",
    ),
    "use": Preset(
        named("lesion_cnr lesion_lab edge_recall edge_recall@head speckle background_lift uptake_rank uptake_error"),
        "what a reader needs: lesions (with their mask), edges of every source, no dots, black background, uptake",
    ),
    "cddfuse": Preset(
        named("en sd sf ag mi@evaluator mse cc psnr@evaluator scd vif@evaluator qabf ssim@evaluator"),
        "Evaluator.py of CDDFuse, used by DDFM and EMMA: MI in nats, PSNR with the peak of F, SSIM with range 2, "
        "sums over sources; computed in double precision where the original uses single",
    ),
    "tang": Preset(
        named(
            "en sd sf ag@tang mi@tang mse@tang psnr@tang cc scd vif@matlab qabf nabf ssim@tang mef_ms_ssim "
            "fmi_edge@tang fmi_dct@tang fmi_wavelet@tang"
        ),
        "Linfeng Tang's MATLAB programs: MI merges grey 254 and 255, PSNR + 48.13 dB, SSIM with range 1; its "
        "'MS_SSIM' is MEF-MS-SSIM and its 'FMI_pixel' is the edge variant",
    ),
    "vifb": Preset(
        named("ce en mi@vifb psnr@vifb ag@tang ei qabf sd sf@vifb rmse@vifb ssim@sum q_cb q_cv"),
        "the VIFB benchmark's MATLAB programs; colour images per channel there (use colour='rgb' for PSNR, RMSE, SSIM)",
    ),
    "liu": Preset(
        named("q_mi q_te@liu q_ncie qabf@liu q_m q_sf q_p q_s@liu q_c@liu q_y@liu q_cv q_cb"),
        "the MATLAB toolbox of Liu et al. (TPAMI 2012); Q_C and Q_Y are undefined there on black background",
    ),
    "ddfm-palm": Preset(
        named("en sd mi@palm vif qabf@palm ssim@palm"),
        "the table of DDFM-PALM; its 'QAB/F' is a correlation of wrapped Sobel responses",
    ),
    "tfs-diff": Preset(
        named("mse vif ssim psnr lpips mae@tfs rmse@tfs ag"),
        "Table 1 of TFS-Diff: MAE, RMSE and VIF are sums over the sources; reductions inferred from its numbers",
    ),
}
