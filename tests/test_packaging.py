"""The wheel: it builds, and carries the data files that the package reads."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_carries_every_data_file(tmp_path):
    command = ["-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT]
    # the build folder is made beside setup.cfg: a copy keeps the checkout clean
    source = tmp_path / "source"
    source.mkdir()
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, files):
        if name.startswith(("gzmass/", "configs/")) or "/" not in name:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command[-1] = source
    subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = zipfile.ZipFile(wheel).namelist()
    wanted = {p.relative_to(source).as_posix() for p in (source / "gzmass").rglob("*") if p.is_file()}
    assert wanted - set(packed) == set()
    assert {"gzmass/tree/gz2.yaml", "gzmass/demo.yaml", "gzmass/pages/page.html"} <= wanted
    configs = {Path(name).name for name in packed if "/share/gzmass/configs/" in name}
    assert configs == {p.name for p in (ROOT / "configs").glob("*.yaml")}
