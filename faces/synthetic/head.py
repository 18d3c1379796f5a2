"""A person's head, ready to be posed: shape, hair and soft paint. Made once a person and kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from faces.synthetic import assets, hair, skin
from faces.synthetic.assets import Surface
from faces.synthetic.camera import Frame, frame
from faces.synthetic.identity import Identity
from faces.synthetic.morphs import neutral_shape
from faces.synthetic.planes import Planes, vertex_normals
from faces.synthetic.targets import EAR_SUPPORT


@dataclass(frozen=True, eq=False)
class Head:
    """The neutral head of one person: V vertices, T triangles."""

    rest: Planes
    """(3, V): where each vertex is on the head at rest; paint is a function of this."""
    points: Planes
    """(3, V): where it is on this person's neutral face, hair included, in decimetres."""
    triangles: NDArray[np.int32]
    surface: NDArray[np.uint8]
    fields: Planes
    """(5, V): mouth cavity, eye socket, ear, blush, shade (see ``skin.SkinPoints``)."""
    frame: Frame

    @property
    def casters(self) -> NDArray[np.int32]:
        """The triangles that cast shadows: shadows of lashes and of the curtain would be streaks."""
        solid = np.flatnonzero((self.surface != Surface.LASHES) & (self.surface != Surface.LONG_HAIR))
        return np.take(self.triangles, solid, axis=1)


@cache
def ears() -> Planes:
    """Return how much each vertex of the mesh belongs to an ear, (V,) from 0 to 1."""
    mesh = assets.load()
    support = np.zeros(mesh.rest.shape[1], np.float32)
    for name in EAR_SUPPORT:
        vertices, moves = mesh.targets[name]
        support[vertices] = np.maximum(support[vertices], np.sqrt((moves**2).sum(0)))
    weight: Planes = np.minimum(support / np.float32(0.03), np.float32(1))
    return weight


@lru_cache(maxsize=8)
def head_of(identity: Identity) -> Head:
    """Return the head of a person; the last few are kept, as pictures come person by person."""
    mesh = assets.load()
    neutral = neutral_shape(identity)
    seed = identity.seed * 13 + 5
    on_scalp = mesh.on_body & (mesh.mouth_cavity < 0.5) & (mesh.rest[1] > 6.4)
    thickness = hair.cap_thickness(mesh.rest, identity.hair, seed) * (1 - ears()) * on_scalp
    points = neutral + vertex_normals(neutral, mesh.triangles) * thickness
    blush, shade = skin.soft_fields(mesh.rest, ears(), identity)
    fields = np.stack([mesh.mouth_cavity, mesh.eye_socket, ears(), blush, shade])
    rest, triangles, surface = mesh.rest, mesh.triangles, mesh.surface
    if identity.hair.long and not identity.hair.bald:
        sheet = hair.curtain(identity.hair, seed)
        sheet_triangles = hair.curtain_triangles(rest.shape[1])
        points = np.concatenate([points, _fit_curtain(sheet, neutral)], axis=1)
        rest = np.concatenate([rest, sheet], axis=1)
        fields = np.concatenate([fields, np.zeros((len(fields), sheet.shape[1]), np.float32)], axis=1)
        triangles = np.concatenate([triangles, sheet_triangles], axis=1)
        surface = np.concatenate([surface, np.full(sheet_triangles.shape[1], Surface.LONG_HAIR, np.uint8)])
    return Head(rest, points, triangles, surface, fields, frame(neutral))


def _fit_curtain(sheet: Planes, neutral: Planes) -> Planes:
    """Return a curtain made for the head at rest, moved and widened to fit this head."""
    mesh = assets.load()
    scalp = mesh.on_body & (mesh.rest[1] > 7.0) & (mesh.rest[1] < 8.2) & (ears() < 0.1)
    widening = np.abs(neutral[0, scalp]).max() / np.abs(mesh.rest[0, scalp]).max()
    moved = (neutral[:, scalp] - mesh.rest[:, scalp]).mean(1)
    return np.stack([sheet[0] * widening, sheet[1] + moved[1], sheet[2] + moved[2]])
