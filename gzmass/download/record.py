"""What is known of the cutouts of a folder: a line is added as each comes, and a table is written at the end."""

import json
from datetime import UTC, datetime

import pandas as pd
import yaml
from pyarrow import ArrowInvalid

from gzmass.engine import write_atomically, write_yaml
from gzmass.engine.lock import LOCK
from gzmass.errors import ConfigError

__all__ = ["CutoutRecord"]


class CutoutRecord:
    """The cutouts of a folder: what each was asked as, whether it is there, and what could not be had.

    Parameters
    ----------
    path : pathlib.Path
        The folder, held by this process: new, empty, or begun with the same settings.
    ending : str
        Of the files.
    settings : dict
        What kind of cutouts they are; plain data.
    ids : list of int or list of str
        Ids of the galaxies that are to come.

    Raises
    ------
    ConfigError
        The folder holds something else.
    """

    def __init__(self, path, ending, settings, ids):
        self.path, self.ending = path, ending
        self.fresh, self.failed = {}, []
        self._journal = path / "cutouts.jsonl"
        self._is_cut = False  # in the middle of a line, which the next one must not join
        self._check(settings)
        self._rows = self._read()
        kinds = {isinstance(galaxy, str): galaxy for galaxy in (*self._rows, *ids)}
        if len(kinds) > 1:  # a column of the table has one type
            raise ConfigError(
                f"The folder {str(self.path)!r} would hold cutouts with integers and with text as ids, {kinds[False]} "
                f"and {kinds[True]!r}: choose another folder."
            )

    def _check(self, settings):
        file = self.path / "cutouts.yaml"
        if file.is_file():
            try:
                there = yaml.safe_load(file.read_text(encoding="utf-8"))
            except (yaml.YAMLError, UnicodeDecodeError):
                there = None
            if not isinstance(there, dict):
                raise ConfigError(
                    f"The file {str(file)!r}, which says what cutouts the folder holds, is damaged: choose another one."
                )
            different = sorted(k for k in {*there, *settings} if there.get(k) != settings.get(k))
            if different:
                key = different[0]
                raise ConfigError(
                    f"The folder {str(self.path)!r} holds cutouts with {key}={there.get(key)!r}, not "
                    f"{settings.get(key)!r}: choose another folder."
                )
            return
        if any(found.name != LOCK for found in self.path.iterdir()):
            raise ConfigError(f"The folder {str(self.path)!r} holds something else: choose another one.")
        write_yaml(file, settings)

    def _read(self):
        rows = {}
        table = self.path / "cutouts.parquet"
        if table.is_file():
            try:
                rows = {row["id"]: row for row in pd.read_parquet(table).to_dict("records")}
            except (ArrowInvalid, OSError, KeyError):
                raise ConfigError(
                    f"The file {str(table)!r}, which says what the cutouts of the folder are, is damaged: delete "
                    "it, and they are fetched again."
                ) from None
        if self._journal.is_file():
            lines = self._journal.read_text(encoding="utf-8")
            self._is_cut = bool(lines) and not lines.endswith("\n")
            for line in lines.splitlines():
                try:
                    row = json.loads(line)
                except ValueError:
                    continue  # a line cut short when the process was killed
                if isinstance(row, dict) and "id" in row:
                    rows[row["id"]] = row
        return rows

    def file(self, galaxy):
        """Name the cutout of a galaxy.

        Parameters
        ----------
        galaxy : int or str
            Its id.

        Returns
        -------
        pathlib.Path
            The file, whether it is there or not.
        """
        return self.path / f"{galaxy}{self.ending}"

    def has(self, galaxy, request):
        """Tell whether the cutout of a galaxy is there, and is what is asked for.

        Parameters
        ----------
        galaxy : int or str
            Its id.
        request : str
            What is asked for.

        Returns
        -------
        bool
            False if it has to be fetched.
        """
        row = self._rows.get(galaxy)
        if row is None or row["request"] != request:
            return False
        file = self.file(galaxy)
        return file.is_file() and file.stat().st_size == row["size"]

    def add(self, target, request, result):
        """Note a cutout that has come.

        Parameters
        ----------
        target : Target
            The galaxy.
        request : str
            What was asked for.
        result : dict
            What else is known of the file.
        """
        row = {
            "id": target.id,
            "ra": target.ra,
            "dec": target.dec,
            "side_arcsec": target.side_arcsec,
            "npix": target.npix,
            "pixel_scale_arcsec": target.pixel_scale,
            "request": request,
            "size": self.file(target.id).stat().st_size,
            "downloaded": datetime.now(UTC).isoformat(timespec="seconds"),
            **result,
        }
        with self._journal.open("a", encoding="utf-8") as file:
            file.write("\n" * self._is_cut + json.dumps(row) + "\n")
        self._is_cut = False
        self._rows[target.id] = self.fresh[target.id] = row

    def fail(self, galaxy, reason):
        """Note a galaxy of which no cutout could be had; an earlier one, of another position or damaged, is dropped.

        Parameters
        ----------
        galaxy : int or str
            Its id.
        reason : str
            Why.
        """
        self.failed.append((galaxy, reason))
        if self._rows.pop(galaxy, None) is not None:
            self.file(galaxy).unlink(missing_ok=True)

    def write(self):
        """Write ``cutouts.parquet`` and ``failed.csv``."""
        table = self.path / "cutouts.parquet"
        if self._rows:
            with write_atomically(table) as partial:
                pd.DataFrame(list(self._rows.values())).to_parquet(partial, index=False)
        else:
            table.unlink(missing_ok=True)
        self._journal.unlink(missing_ok=True)
        with write_atomically(self.path / "failed.csv") as partial:
            failed = pd.DataFrame(self.failed, columns=["id", "reason"])
            failed.to_csv(partial, index=False)
