"""The viewer: seconds from the command to the first picture, to a new window, and memory of a large volume.

    python -m benchmarks viewer

Needs Chromium and Playwright; a browser runs already when the command is given, as a user's does.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np

from trifuse import samples
from trifuse.core.image import Image, Modality

FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
LARGE = (512, 512, 300)
RUNS = 5

WINDOWS = """async () => {
  const slider = document.querySelectorAll('.image.selected input[type=range]')[1];
  const taken = [];
  for (let k = 0; k < 21; k++) {
    const clock = performance.now();
    slider.value = 400 + 20 * k;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    await new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn, 0)));
    taken.push(performance.now() - clock);
  }
  return taken.sort((a, b) => a - b)[10];
}"""

PAINTED = """() => [...document.querySelectorAll('.view canvas')].some(canvas => canvas.width &&
  canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((x, k) => k % 4 < 3 && x > 60))"""


def started(*paths: Path) -> tuple[subprocess.Popen[str], str]:
    """A viewer and its address."""
    command = [sys.executable, "-m", "trifuse", "view", "--no-browser", *map(str, paths)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def first_picture(browser: Any, paths: list[Path]) -> tuple[float, float]:
    """Seconds from the command to the first picture, and milliseconds from a new window to its drawing."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    clock = time.perf_counter()
    process, address = started(*paths)
    page.goto(address)
    page.wait_for_function(PAINTED, polling=30)
    seconds = time.perf_counter() - clock
    page.wait_for_selector("html[data-methods]", timeout=120_000)
    page.locator("#modes [value=layers]").check(force=True)
    milliseconds = float(page.evaluate(WINDOWS))
    page.close()
    process.terminate()
    process.wait()
    return seconds, milliseconds


def held(pid: int, kind: str) -> float:
    """MiB that a process holds (VmRSS) or held at most (VmHWM)."""
    line = next(row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith(kind))
    return int(line.split()[1]) / 1024


def memory() -> tuple[float, float, float]:
    """MiB of a large volume, and what the server held more than without it: now, and at most."""
    empty, address = started()
    bare = held(empty.pid, "VmRSS")
    empty.terminate()
    empty.wait()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ct.nii"
        values = np.random.default_rng(0).integers(-1000, 2000, (1, *LARGE), dtype=np.int16)
        from trifuse import io

        io.write(Image.from_native(values, affine=np.diag([0.7, 0.7, 1, 1]), modality=Modality.CT), path)
        process, address = started(path)
        parts = urlsplit(address)
        headers = {"authorization": f"Bearer {parts.query.partition('=')[2]}"}

        def ask(what: str) -> bytes:
            with urlopen(Request(f"http://{parts.netloc}{what}", headers=headers)) as answer:
                found: bytes = answer.read()
                return found

        while json.loads(state := ask("/api/state"))["loading"]:
            time.sleep(0.1)
        key = json.loads(state)["images"][0]["key"]
        size = len(ask(f"/api/images/{key}/values")) / 2**20
        found = held(process.pid, "VmRSS") - bare, held(process.pid, "VmHWM") - bare
        process.terminate()
        process.wait()
    return size, *found


def main() -> None:
    """Prints the figures."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for dims in (2, 3):
            runs = [first_picture(browser, list(samples.study(dims).values())) for _ in range(RUNS)]
            first, window = (median(column) for column in zip(*runs, strict=True))
            print(f"{dims}D study: first picture {first:.2f} s, a new window {window:.1f} ms (medians of {RUNS})")
        browser.close()
    size, now, most = memory()
    shape = " x ".join(map(str, LARGE))
    print(f"{shape}: {size:.0f} MiB of values; the server holds {now:.0f} MiB more, at most {most:.0f}")


if __name__ == "__main__":
    main()
