"""HATS catalogues of tables that were made in parts, which LSDB opens and cross-matches; needs the extra ``scale``."""

import logging
import shutil
from contextlib import contextmanager, nullcontext

import hats
import pyarrow as pa
import pyarrow.compute as pc
from distributed import Client, LocalCluster
from hats.catalog import PartitionInfo, TableProperties
from hats.io import paths
from hats_import.catalog.arguments import ImportArguments
from hats_import.catalog.file_readers import ParquetPyarrowReader
from hats_import.pipeline import pipeline_with_client

from gzmass._version import __version__
from gzmass.errors import GzmassError

__all__ = ["PlacedRows", "import_parts", "write_hats_metadata"]

_FULL = 1_000_000  # rows, above which hats-import divides a pixel
# of the map of counts that it divides by: it goes through the pixels one by one, 13 million (6 s) at order 10
_ORDER, _ORDER_UNDIVIDED = 10, 7
_NOTHING = 2**20  # bytes: who has no more on a disk has none


def write_hats_metadata(out, ra, dec):
    """Make a HATS catalogue of parts that lie in the folders of their HEALPix pixels.

    Parameters
    ----------
    out : pathlib.Path
        The directory, with ``dataset/Norder=.../Dir=.../Npix=.../part-*.parquet``.
    ra, dec : str
        Columns of right ascension and declination [deg].
    """
    n_rows = hats.io.write_parquet_metadata(out)
    folders = (out / paths.DATASET_DIR).glob("Norder=*/Dir=*/Npix=*")
    pixels = PartitionInfo([paths.get_healpix_from_path(str(folder)) for folder in folders if any(folder.iterdir())])
    pixels.write_to_file(catalog_path=out)
    TableProperties(
        catalog_name=out.name,
        catalog_type="object",
        total_rows=n_rows,
        ra_column=ra,
        dec_column=dec,
        healpix_column="_healpix_29",
        healpix_order=29,
        npix_suffix="/",
        hats_order=pixels.get_highest_order(),
        moc_sky_fraction=float(f"{pixels.calculate_fractional_coverage():.5g}"),
        **TableProperties.new_provenance_dict(out, builder=f"gzmass v{__version__}"),
    ).to_properties_file(out)


class PlacedRows(ParquetPyarrowReader):
    """Reader of Parquet files for hats-import that leaves out rows without a position, which have no place in HATS."""

    def read(self, input_file, read_columns=None):
        """Read a file in pieces.

        Parameters
        ----------
        input_file : str or pathlib.Path
            The file.
        read_columns : list of str, optional
            Columns; by default all.

        Yields
        ------
        pyarrow.Table
            Rows with a position: finite ``ra``, and ``dec`` from -90 to 90.
        """
        for table in super().read(input_file, read_columns):
            inside = pc.less_equal(pc.abs(table["dec"]), 90)
            yield table.filter(pc.and_(pc.is_finite(table["ra"]), inside).fill_null(False))


def import_parts(out, parts, n_rows, client=None):
    """Sort the rows of parts into a HATS catalogue, with hats-import.

    Parameters
    ----------
    out : pathlib.Path
        The catalogue to make; it takes the place of an older one when it is whole.
    parts : sequence of pathlib.Path
        Parquet files with ``ra`` and ``dec`` [deg].
    n_rows : int
        Their rows with a position.
    client : distributed.Client, optional
        Where it is computed; by default in threads of this process.

    Raises
    ------
    GzmassError
        hats-import fails.
    """
    begun = out.parent / ".import"
    shutil.rmtree(begun, ignore_errors=True)
    try:
        arguments = ImportArguments(
            output_path=begun,
            output_artifact_name=out.name,
            input_file_list=list(parts),
            file_reader=PlacedRows(),
            ra_column="ra",
            dec_column="dec",
            expected_total_rows=n_rows,
            pixel_threshold=_FULL,
            highest_healpix_order=_ORDER if n_rows > _FULL else _ORDER_UNDIVIDED,
            progress_bar=False,
            resume=False,
        )
        with nullcontext(client) if client else _in_threads() as used:
            pipeline_with_client(arguments, used)
        shutil.rmtree(out, ignore_errors=True)
        (begun / out.name).replace(out)
    except (ValueError, RuntimeError, pa.ArrowException) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        if shutil.disk_usage(out.parent).free < _NOTHING:
            reason = "the disk is full"
        raise GzmassError(
            f"The HATS catalogue {str(out)!r} can not be made: {reason}; the predictions themselves are whole, and the "
            "same command goes on with it."
        ) from error
    finally:
        shutil.rmtree(begun, ignore_errors=True)


@contextmanager
def _in_threads():
    with (
        LocalCluster(
            1, threads_per_worker=2, processes=False, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
