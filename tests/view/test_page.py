"""The page in a real browser: what is loaded is shown, what is changed is seen, what is read is right."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture

import trifuse

Address = Callable[..., str]
Study = dict[str, list[Path]]


def opened(page: Any, address: str, size: tuple[int, int] = (1280, 720)) -> Any:
    """The page once its images are there."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    return page


def pixels(page: Any, view: int = 0) -> NDArray[np.float64]:
    """What a view shows, `(H, W, 3)`, 0..255."""
    settled(page)
    script = "k => document.querySelectorAll('.view canvas')[k].toDataURL('image/png')"
    encoded = page.evaluate(script, view).partition(",")[2]
    with Picture.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.float64)


def settled(page: Any) -> None:
    """Waits until what was asked for is drawn."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def slide(page: Any, selector: str, value: float) -> None:
    """Moves a slider as a hand does."""
    script = "(slider, v) => { slider.value = v; slider.dispatchEvent(new Event('input', {bubbles: true})); }"
    page.locator(selector).evaluate(script, value)


def mode(page: Any, name: str) -> None:
    """Layers, blend, wipe or compare."""
    page.locator(f"#modes [value={name}]").check(force=True)
    page.wait_for_selector(f"#views[data-mode={name}]")
    settled(page)


def levels(path: Path) -> NDArray[np.float64]:
    """A picture's own grey levels."""
    with Picture.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.float64)


def drop(page: Any, paths: list[Path]) -> None:
    """Drops files on the page."""
    files = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
    script = """files => {
      const transfer = new DataTransfer();
      for (const [name, content] of files)
        transfer.items.add(new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], name));
      document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true}));
    }"""
    page.evaluate(script, files)


def shows(page: Any, count: int) -> None:
    """Waits until so many images are there with their values."""
    page.wait_for_function(
        "n => { const all = [...document.querySelectorAll('.image .kind')];"
        " return all.length === n && all.every(each => !each.textContent.includes('loading')); }",
        arg=count,
    )


def test_pictures_by_drop_side_by_side(page: Any, address: Address, study: Study) -> None:
    opened(page, address())
    assert page.locator("#empty").is_visible()
    drop(page, study["2d"])
    shows(page, 3)
    assert page.locator(".view").count() == 3
    assert [pixels(page, k).mean() > 10 for k in range(3)] == [True] * 3
    red, green, blue = pixels(page, 2).mean(axis=(0, 1))
    assert red > 1.5 * green > 1.5 * blue
    assert page.locator(".caveat").inner_text() == "Research use, not a medical device"


def test_windows_colours_opacity_blend_and_wipe(page: Any, address: Address, study: Study) -> None:
    opened(page, address(*study["2d"]))
    page.locator("[aria-label='pet.png'] input").first.uncheck()
    mode(page, "layers")
    before = pixels(page)
    high = page.locator(".image.selected input[type=number]").nth(1)
    high.fill("128")
    high.press("Enter")
    assert pixels(page).mean() > 1.2 * before.mean()
    page.locator(".image.selected select").first.select_option("as opened")
    assert np.array_equal(pixels(page), before)
    page.locator(".image.selected select").nth(1).select_option("hot-iron")
    page.wait_for_timeout(300)
    coloured = pixels(page)
    assert coloured[..., 0].mean() > 1.3 * coloured[..., 2].mean()
    page.locator(".image.selected select").nth(1).select_option("grey")

    mode(page, "blend")
    page.locator("#pair-b").select_option(label="t2.png")
    first, second = (levels(path).mean() for path in study["2d"][:2])
    shown = {}
    for share in (0, 50, 100):
        slide(page, "#mix", share)
        shown[share] = pixels(page)
    assert np.abs(shown[50] - (shown[0] + shown[100]) / 2).mean() < 1
    assert shown[0].mean() / shown[100].mean() == pytest.approx(first / second, rel=0.1)

    mode(page, "wipe")
    slide(page, "#mix", 50)
    both = pixels(page)
    half = both.shape[1] // 2
    rows = slice(60, both.shape[0] - 60)
    assert np.abs(both[rows, : half - 3] - shown[0][rows, : half - 3]).mean() < 2
    assert np.abs(both[rows, half + 3 :] - shown[100][rows, half + 3 :]).mean() < 2


def test_opacity_of_uptake_over_a_volume(page: Any, address: Address, study: Study) -> None:
    opened(page, address(*study["3d"]))
    assert page.locator(".view").count() == 3
    strong = pixels(page)
    page.locator("[aria-label='pet.nii.gz'] .pick").click()
    slide(page, ".image.selected input[type=range] >> nth=2", 0)
    grey = pixels(page)
    colour = [np.abs(each[60:-60, :, 0] - each[60:-60, :, 2]).mean() for each in (strong, grey)]
    assert colour[0] > 8 > 3 * colour[1]


def test_values_under_the_cursor_are_those_of_the_files(page: Any, address: Address, study: Study) -> None:
    opened(page, address(*study["3d"]))
    images = [trifuse.read(path) for path in study["3d"]]
    canvas = page.locator(".view").first
    box = canvas.bounding_box()
    found = set()
    for x, y in ((0.4, 0.4), (0.5, 0.6), (0.62, 0.5)):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        settled(page)
        shown = page.locator("#readout .value").all_inner_texts()
        mm = np.array([float(part) for part in shown[0].split(",")])
        for image, text in zip(images, shown[1:], strict=True):
            index = np.rint(np.linalg.inv(image.affine) @ [*mm, 1])[:3].astype(int)
            value = float(image.native()[0][tuple(index)])
            assert float(text.split()[0]) == pytest.approx(value, rel=1e-3, abs=1e-3)
            found.add(value)
    assert len(found) > 5


def test_planes_are_linked_and_the_wheel_goes_through_slices(page: Any, address: Address, study: Study) -> None:
    opened(page, address(*study["3d"]))
    box = page.locator(".view").first.bounding_box()
    before = [pixels(page, k) for k in range(3)]
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, 100)
    after = [pixels(page, k) for k in range(3)]
    assert all(np.abs(x - y).max() > 30 for x, y in zip(before, after, strict=True))
    page.mouse.click(box["x"] + 0.35 * box["width"], box["y"] + 0.45 * box["height"])
    moved = pixels(page, 2)
    assert np.abs(moved - after[2]).mean() > 2
    page.keyboard.press("PageDown")
    assert np.abs(pixels(page, 0) - after[0]).mean() > 0.5


def test_methods_are_run_compared_cancelled_and_saved(
    page: Any, address: Address, study: Study, tmp_path: Path
) -> None:
    page.set_default_timeout(240_000)
    opened(page, address(*study["2d"], "--units", "native"))
    page.wait_for_selector("html[data-methods]")
    assert page.locator("#method option").count() > 10
    page.locator("#several summary").click()
    for name in ("mean", "laplacian"):
        page.locator(f"#several-list input[value={name}]").check()
    page.locator("#run-several").click()
    page.locator("#method").select_option("ddfm")
    page.locator("#run").click()
    third = page.locator("#tasks li").nth(2)
    third.get_by_role("button", name=re.compile("Cancel")).click()
    page.wait_for_function("() => document.querySelectorAll('#tasks li[data-state=done]').length === 2")
    assert page.locator("#tasks li[data-state=cancelled]").count() == 1
    shows(page, 5)
    mode(page, "compare")
    assert page.locator(".view").count() == 5
    page.wait_for_function("() => document.querySelectorAll('#scores thead th').length === 3")
    assert page.locator("#scores tbody tr").count() > 5

    if not page.locator(
        ".image.selected[aria-label='mean']"
    ).count():  # a new result is selected, and a click undoes it
        page.locator("[aria-label='mean'] .pick").click()
    with page.expect_download() as saving:
        page.locator(".image.selected .ends select").select_option("png")
    saving.value.save_as(tmp_path / "fused.png")
    ours = trifuse.read(tmp_path / "fused.png").pixels
    assert np.array_equal(ours, np.round(trifuse.fuse(study["2d"], "mean").image.pixels * 255) / np.float32(255))
    with page.expect_download() as saving:
        page.keyboard.press("e")
    saving.value.save_as(tmp_path / "view.png")
    assert levels(tmp_path / "view.png").mean() > 10
    page.locator("#tasks li").first.get_by_role("button", name=re.compile("Command line")).click()
    assert page.locator("#command-text").inner_text().startswith("trifuse fuse ")


@pytest.mark.parametrize("kind", ["2d", "3d"])
def test_no_serious_fault_of_accessibility(page: Any, address: Address, study: Study, kind: str) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="accessibility skipped: no axe-core at hand")
    opened(page, address(*study[kind]))
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run()")
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"] if is_serious(each)] == []


def is_serious(fault: dict[str, Any]) -> bool:
    """Whether a fault shuts somebody out."""
    return fault["impact"] in ("serious", "critical")


def test_a_tablet_has_its_panels_in_drawers(page: Any, address: Address, study: Study) -> None:
    opened(page, address(*study["2d"]), (820, 1180))
    assert not page.locator("#images-panel").is_visible()
    page.locator("#show-images").click()
    assert page.locator("#images-panel").is_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 820


@pytest.mark.slow
def test_the_rendering_follows_the_crosshair(page: Any, address: Address, study: Study) -> None:
    opened(page, address(*study["3d"]), (700, 500))
    page.keyboard.press("d")
    page.wait_for_function("() => document.querySelector('#rendering canvas')")
    page.wait_for_timeout(20_000)
    assert page.locator(".view").count() == 4
    page.locator("#rendering").screenshot()
