"""The parts of the renderer, each against a slow and obvious way of doing the same."""

import numpy as np
import pytest

from faces.synthetic.noise import PERIOD, value_noise
from faces.synthetic.photo import Light
from faces.synthetic.planes import cross, dot, encode_srgb, linear, smoothstep, unit, vertex_normals
from faces.synthetic.raster import depth_buffer, fragments, nearest

SIDE = 40


def slow_raster(screen, depth, triangles):
    """Return {pixel: (triangle, depth)} by asking every triangle about every pixel."""
    found = {}
    for number, corners in enumerate(triangles.T):
        a, b, c = screen[:, corners].T.astype(float)
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if area >= -1e-7:
            continue
        for row in range(SIDE):
            for place in range(SIDE):
                p = np.array([place + 0.5, row + 0.5])
                w = [
                    ((y[0] - p[0]) * (z[1] - p[1]) - (z[0] - p[0]) * (y[1] - p[1])) / area
                    for y, z in ((b, c), (c, a), (a, b))
                ]
                if min(w) < 0:
                    continue
                deep = float(np.dot(w, depth[corners]))
                pixel = row * SIDE + place
                if pixel not in found or deep < found[pixel][1]:
                    found[pixel] = (number, deep)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_raster_agrees_with_a_loop_over_pixels(seed) -> None:
    random = np.random.default_rng(seed)
    screen = random.uniform(-8, SIDE + 8, (2, 60)).astype(np.float32)
    depth = random.uniform(5, 20, 60).astype(np.float32)
    triangles = random.integers(0, 60, (3, 25)).astype(np.int32)
    expected = slow_raster(screen, depth, triangles)
    seen = nearest(fragments(screen, depth, triangles, SIDE), SIDE)
    got = dict(
        zip(seen.pixel.tolist(), zip(seen.triangle.tolist(), seen.depth.tolist(), strict=True), strict=True)
    )
    assert len(expected) > 50
    # A pixel whose centre lies on an edge to within rounding may go either way.
    assert len(expected.keys() ^ got.keys()) <= 0.02 * len(expected)
    common = expected.keys() & got.keys()
    same = [expected[pixel][0] == got[pixel][0] for pixel in common]
    assert np.mean(same) > 0.98
    assert all(abs(expected[p][1] - got[p][1]) < 2e-2 for p in common if expected[p][0] == got[p][0])


def test_triangles_that_share_edges_leave_no_holes() -> None:
    random = np.random.default_rng(1)
    steps = np.linspace(-3, SIDE + 3, 14)
    x, y = (plane.ravel() for plane in np.meshgrid(steps, steps))
    x, y = x + random.uniform(-1.2, 1.2, x.size), y + random.uniform(-1.2, 1.2, y.size)
    grid = np.arange(x.size).reshape(14, 14)
    a, b, c, d = (g.ravel() for g in (grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]))
    triangles = np.concatenate([np.stack([a, b, c]), np.stack([a, c, d])], axis=1).astype(np.int32)
    screen = np.stack([x, y]).astype(np.float32)
    covered = fragments(screen, np.ones(x.size, np.float32), triangles, SIDE)
    inner = np.isfinite(depth_buffer(covered, SIDE)).reshape(SIDE, SIDE)
    assert inner.all()


def test_noise_is_smooth_bounded_periodic_and_depends_on_its_seed() -> None:
    random = np.random.default_rng(0)
    points = random.uniform(-5, 5, (3, 4000)).astype(np.float32)
    noise = value_noise(points, 2.0, 7)
    assert np.abs(noise).max() <= 1
    assert 0.2 < noise.std() < 0.6
    assert np.abs(value_noise(points + 1e-3, 2.0, 7) - noise).max() < 0.02
    shifted = value_noise(points + np.float32(PERIOD / 2.0), 2.0, 7)
    assert np.abs(shifted - noise).max() < 1e-3
    assert abs(np.corrcoef(value_noise(points, 2.0, 8), noise)[0, 1]) < 0.1


def test_normals_of_a_ball_point_outwards() -> None:
    rows, around = 24, 48
    polar = np.linspace(0.05, np.pi - 0.05, rows)
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    p, a = (plane.ravel() for plane in np.meshgrid(polar, angle, indexing="ij"))
    ball = np.stack([np.sin(p) * np.cos(a), np.cos(p), np.sin(p) * np.sin(a)]).astype(np.float32)
    grid = np.arange(rows * around).reshape(rows, around)
    nxt = np.roll(grid, -1, 1)
    one = np.stack([grid[:-1].ravel(), nxt[:-1].ravel(), nxt[1:].ravel()])
    two = np.stack([grid[:-1].ravel(), nxt[1:].ravel(), grid[1:].ravel()])
    normals = vertex_normals(ball, np.concatenate([one, two], axis=1).astype(np.int32))
    inner = np.abs(ball[1]) < 0.9
    assert dot(normals, ball)[inner].min() > 0.99


def test_small_vector_mathematics() -> None:
    random = np.random.default_rng(3)
    a, b = random.normal(size=(2, 3, 50)).astype(np.float32)
    assert np.allclose(dot(a, b), (a * b).sum(0), atol=1e-5)
    assert np.allclose(cross(a, b), np.cross(a, b, axis=0), atol=1e-5)
    assert np.allclose(np.linalg.norm(unit(a), axis=0), 1, atol=1e-6)
    assert not unit(np.zeros((3, 2), np.float32)).any()
    assert smoothstep(1.0, 0.0, np.array([0.0, 0.5, 1.0], np.float32)).tolist() == [1.0, 0.5, 0.0]


def test_srgb_goes_there_and_back() -> None:
    levels = np.linspace(0, 1, 256).astype(np.float32)
    assert np.abs(encode_srgb(linear(levels)) - levels).max() < 1e-5
    assert abs(float(linear(0.5)) - 0.21404) < 1e-4


def test_the_key_light_comes_from_where_it_says() -> None:
    assert Light(azimuth=90, elevation=0).direction == pytest.approx((1, 0, 0), abs=1e-9)
    assert Light(azimuth=0, elevation=90).direction == pytest.approx((0, 1, 0), abs=1e-9)
    assert Light(azimuth=0, elevation=0).direction == pytest.approx((0, 0, 1), abs=1e-9)
