"""A FaceTable as a folder: one .npy file a column, and a manifest that is written last.

The columns are opened as memory maps: processes that open the same folder share one copy in memory, and what
is not used is never read. A folder appears under its name only when all of it is on the disk.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faces.sample import ARRAY_COLUMNS, FaceTable, PrepareReport
from mien.errors import DataError
from mien.files import canonical_json, sync_directory, write_atomic

_MANIFEST = "manifest.json"
_FORMAT = 1

ColumnShapes = Mapping[str, tuple[type[np.generic], tuple[int, ...]]]
"""Column name → type and whole shape."""


def save_table(table: FaceTable, folder: Path) -> None:
    """Write a table to a folder that does not exist yet."""

    def fill(columns: Mapping[str, NDArray[Any]]) -> None:
        for name, column in columns.items():
            column[...] = getattr(table, name)

    shapes: ColumnShapes = {
        name: (getattr(table, name).dtype.type, getattr(table, name).shape) for name in ARRAY_COLUMNS
    }
    write_table(
        folder,
        shapes,
        fill,
        image_ids=table.image_ids,
        person_names=table.person_names,
        attributes=table.attributes,
        report=table.report,
    )


def write_table(
    folder: Path,
    shapes: ColumnShapes,
    fill: Callable[[Mapping[str, NDArray[Any]]], None],
    *,
    image_ids: tuple[str, ...],
    person_names: tuple[str, ...],
    attributes: tuple[str, ...],
    report: PrepareReport | None,
) -> None:
    """Write a table column by column without holding it in memory.

    ``fill`` gets writable arrays of ``shapes``, which are the files themselves. The folder appears whole; if
    it is there already, what is there stays, because equal folder names mean equal contents.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        columns = {
            name: np.lib.format.open_memmap(partial / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
            for name, (dtype, shape) in shapes.items()
            if 0 not in shape
        }
        empty = {name: np.zeros(shape, dtype) for name, (dtype, shape) in shapes.items() if 0 in shape}
        for name, column in empty.items():  # a memory map cannot be empty
            np.save(partial / f"{name}.npy", column, allow_pickle=False)
        fill({**columns, **empty})
        for mapped in columns.values():
            mapped.flush()
        arrays = {name: np.asarray({**columns, **empty}[name]) for name in shapes}
        table = FaceTable(
            image_ids, person_names=person_names, attributes=attributes, report=report, **arrays
        )
        _write_manifest(partial, table)
        for file in partial.iterdir():
            _sync_file(file)
        sync_directory(partial)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sync_directory(folder.parent)


def load_table(folder: Path) -> FaceTable:
    """Open a table that was written by ``save_table`` or by a preparation; its arrays are read-only maps.

    Raises DataError where the folder is not such a table, or is damaged.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        if manifest["format"] != _FORMAT:
            raise DataError(f"{folder} was written in format {manifest['format']}: expected {_FORMAT}.")
        columns = {name: _open_column(folder / f"{name}.npy") for name in ARRAY_COLUMNS}
        report = manifest["report"]
        table = FaceTable(
            image_ids=tuple(manifest["image_ids"]),
            person_names=tuple(manifest["person_names"]),
            attributes=tuple(manifest["attributes"]),
            report=_report_from(report) if report else None,
            **columns,
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DataError(
            f"{folder} is not a whole table of prepared faces: {error}. Delete the folder and prepare again."
        ) from error
    table.__dict__["content_hash"] = manifest["content_hash"]  # what cached_property would compute
    return table


def _open_column(path: Path) -> NDArray[Any]:
    """Open a column as a plain read-only array over a memory map (maps of nothing are not possible)."""
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except ValueError as error:
        column = np.load(path, allow_pickle=False)
        if column.size:
            raise ValueError(f"{path.name} is damaged") from error
        return np.asarray(column)


def _write_manifest(folder: Path, table: FaceTable) -> None:
    manifest = {
        "format": _FORMAT,
        "content_hash": table.content_hash,
        "image_ids": table.image_ids,
        "person_names": table.person_names,
        "attributes": table.attributes,
        "report": dataclasses.asdict(table.report) if table.report else None,
    }
    write_atomic(folder / _MANIFEST, canonical_json(manifest), mode=0o600)


def _report_from(fields: dict[str, Any]) -> PrepareReport:
    skipped = tuple((str(image), str(reason)) for image, reason in fields.pop("skipped"))
    return PrepareReport(**fields, skipped=skipped)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
