"""Kernels on boxes. The second set of boxes is copied into one array per side, so that the inner loops vectorise."""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: FURB136 - a select compiles to one instruction, min() also looks for NaN

from __future__ import annotations

import numpy as np

from annokit_fast._jit import jit, jit_when_busy

_LARGEST = float(np.finfo(np.float64).max)


@jit
def _sides(boxes, sizes):
    """x1, y1, x2, y2 and area of every box as rows, and whether all numbers are finite.

    `sizes` says that columns 2 and 3 are width and height.
    """
    n = boxes.shape[0]
    sides = np.empty((5, n))
    bad = 0
    for j in range(n):
        x, y, u, v = boxes[j, 0], boxes[j, 1], boxes[j, 2], boxes[j, 3]
        bad += not (abs(x) <= _LARGEST and abs(y) <= _LARGEST and abs(u) <= _LARGEST and abs(v) <= _LARGEST)
        sides[0, j] = x
        sides[1, j] = y
        sides[2, j] = u + x if sizes else u
        sides[3, j] = v + y if sizes else v
        sides[4, j] = u * v if sizes else (u - x) * (v - y)
    return sides, bad == 0


@jit_when_busy
def all_finite(values):
    """Whether every number of a flat array is finite."""
    bad = 0
    for i in range(values.size):
        bad += not (abs(values[i]) <= _LARGEST)
    return bad == 0


@jit
def iou(a, b, sizes, crowd, out):
    """Intersection over union; over the first box's area alone where the second is a crowd.

    Returns whether all numbers were finite, so that small calls need no other one to see that.
    """
    first, good = _sides(a, sizes)
    second, also = _sides(b, sizes)
    x1, y1, x2, y2, area = second[0], second[1], second[2], second[3], second[4]
    for i in range(a.shape[0]):
        ax1, ay1, ax2, ay2, own = first[0, i], first[1, i], first[2, i], first[3, i], first[4, i]
        row = out[i]
        for j in range(b.shape[0]):
            w = (x2[j] if x2[j] < ax2 else ax2) - (x1[j] if x1[j] > ax1 else ax1)
            h = (y2[j] if y2[j] < ay2 else ay2) - (y1[j] if y1[j] > ay1 else ay1)
            w = w if w > 0.0 else 0.0
            h = h if h > 0.0 else 0.0
            both = w * h
            either = own + area[j] - both
            row[j] = both / (either if both > 0.0 else 1.0)
        if crowd.size:
            for j in range(b.shape[0]):
                if crowd[j]:
                    w = (x2[j] if x2[j] < ax2 else ax2) - (x1[j] if x1[j] > ax1 else ax1)
                    h = (y2[j] if y2[j] < ay2 else ay2) - (y1[j] if y1[j] > ay1 else ay1)
                    both = w * h
                    row[j] = both / own if w > 0.0 and h > 0.0 else 0.0
    return good and also


@jit
def giou(a, b, out):
    first, good = _sides(a, False)
    second, also = _sides(b, False)
    x1, y1, x2, y2, area = second[0], second[1], second[2], second[3], second[4]
    for i in range(a.shape[0]):
        ax1, ay1, ax2, ay2, own = first[0, i], first[1, i], first[2, i], first[3, i], first[4, i]
        row = out[i]
        for j in range(b.shape[0]):
            w = (x2[j] if x2[j] < ax2 else ax2) - (x1[j] if x1[j] > ax1 else ax1)
            h = (y2[j] if y2[j] < ay2 else ay2) - (y1[j] if y1[j] > ay1 else ay1)
            w = w if w > 0.0 else 0.0
            h = h if h > 0.0 else 0.0
            both = w * h
            either = own + area[j] - both
            hull = ((x2[j] if x2[j] > ax2 else ax2) - (x1[j] if x1[j] < ax1 else ax1)) * (
                (y2[j] if y2[j] > ay2 else ay2) - (y1[j] if y1[j] < ay1 else ay1)
            )
            # both / either - (hull - either) / hull, with one division
            under = either * hull
            value = (both * hull + either * either) / (under if under > 0.0 else 1.0) - 1.0
            row[j] = value if hull > 0.0 else 0.0
    return good and also


@jit
def iou_paired(a, b, out):
    """Returns whether all numbers were finite, so that the arrays are read only once."""
    bad = 0
    for i in range(a.shape[0]):
        ax1, ay1, ax2, ay2 = a[i, 0], a[i, 1], a[i, 2], a[i, 3]
        bx1, by1, bx2, by2 = b[i, 0], b[i, 1], b[i, 2], b[i, 3]
        total = (ax1 + ay1) + (ax2 + ay2) + (bx1 + by1) + (bx2 + by2)
        bad += not (abs(total) <= _LARGEST)
        w = (bx2 if bx2 < ax2 else ax2) - (bx1 if bx1 > ax1 else ax1)
        h = (by2 if by2 < ay2 else ay2) - (by1 if by1 > ay1 else ay1)
        w = w if w > 0.0 else 0.0
        h = h if h > 0.0 else 0.0
        both = w * h
        either = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - both
        out[i] = both / (either if both > 0.0 else 1.0)
    return bad == 0


@jit
def nms(boxes, order, classes, threshold, keep):
    """Indices into `boxes` of what stays, in `order`; boxes of other classes never suppress one another."""
    n = order.size
    x1, y1, x2, y2, area = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    kind = np.empty(n, np.int64)
    gone = np.zeros(n, np.uint8)
    for j in range(n):
        k = order[j]
        x1[j], y1[j], x2[j], y2[j] = boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3]
        area[j] = (x2[j] - x1[j]) * (y2[j] - y1[j])
        kind[j] = classes[k] if classes.size else 0
    kept = 0
    for i in range(n):
        if gone[i]:
            continue
        keep[kept] = order[i]
        kept += 1
        ax1, ay1, ax2, ay2, own, mine = x1[i], y1[i], x2[i], y2[i], area[i], kind[i]
        for j in range(i + 1, n):
            w = (x2[j] if x2[j] < ax2 else ax2) - (x1[j] if x1[j] > ax1 else ax1)
            h = (y2[j] if y2[j] < ay2 else ay2) - (y1[j] if y1[j] > ay1 else ay1)
            w = w if w > 0.0 else 0.0
            h = h if h > 0.0 else 0.0
            both = w * h
            gone[j] |= np.uint8((both > threshold * (own + area[j] - both)) & (kind[j] == mine))
    return kept


@jit
def _quad_area(quads, i):
    """Twice the signed area of a quadrilateral."""
    return (quads[i, 2, 0] - quads[i, 0, 0]) * (quads[i, 3, 1] - quads[i, 1, 1]) - (
        quads[i, 3, 0] - quads[i, 1, 0]
    ) * (quads[i, 2, 1] - quads[i, 0, 1])


@jit
def _clip(xs, ys, n, ax, ay, dx, dy, to_x, to_y):
    """The part of a convex polygon left of the line from a in direction d; returns its number of vertices."""
    m = np.uint64(0)
    one = np.uint64(1)
    px, py = xs[np.uint64(n - 1)], ys[np.uint64(n - 1)]
    before = dx * (py - ay) - dy * (px - ax)
    for k in range(n):
        qx, qy = xs[np.uint64(k)], ys[np.uint64(k)]
        side = dx * (qy - ay) - dy * (qx - ax)
        if before * side < 0.0:
            t = before / (before - side)
            to_x[m] = px + t * (qx - px)
            to_y[m] = py + t * (qy - py)
            m += one
        to_x[m] = qx
        to_y[m] = qy
        m += np.uint64(side >= 0.0)
        px, py, before = qx, qy, side
    return np.int64(m)


@jit
def _shared_area(a, i, b, j, sign, x, y, u, v):
    """Area common to two convex quadrilaterals, clipping the first by those sides of the second that cut it."""
    cuts = 0
    for k in range(4):
        ax, ay = b[j, k, 0], b[j, k, 1]
        following = (k + 1) & 3
        dx, dy = sign * (b[j, following, 0] - ax), sign * (b[j, following, 1] - ay)
        inside = 0
        for m in range(4):
            inside += dx * (a[i, m, 1] - ay) - dy * (a[i, m, 0] - ax) >= 0.0
        if inside == 0:
            return 0.0
        cuts |= np.int64(inside < 4) << k
    n = 4
    for k in range(4):
        x[k] = a[i, k, 0] - b[j, 0, 0]
        y[k] = a[i, k, 1] - b[j, 0, 1]
    for k in range(4):
        if not cuts & (1 << k):
            continue
        ax, ay = b[j, k, 0] - b[j, 0, 0], b[j, k, 1] - b[j, 0, 1]
        following = (k + 1) & 3
        bx, by = b[j, following, 0] - b[j, 0, 0], b[j, following, 1] - b[j, 0, 1]
        n = _clip(x, y, n, ax, ay, sign * (bx - ax), sign * (by - ay), u, v)
        if n == 0:
            return 0.0
        x, y, u, v = u, v, x, y
    total = 0.0
    for k in range(2, n):
        total += (x[k - 1] - x[0]) * (y[k] - y[0]) - (x[k] - x[0]) * (y[k - 1] - y[0])
    return 0.5 * abs(total)


@jit
def _frames(quads):
    """Smallest and largest x and y, and the area, of every quadrilateral."""
    n = quads.shape[0]
    out = np.empty((5, n))
    for i in range(n):
        for axis in range(2):
            low = high = quads[i, 0, axis]
            for k in range(1, 4):
                low = quads[i, k, axis] if quads[i, k, axis] < low else low
                high = quads[i, k, axis] if quads[i, k, axis] > high else high
            out[axis, i] = low
            out[axis + 2, i] = high
        out[4, i] = 0.5 * abs(_quad_area(quads, i))
    return out


@jit
def iou_rotated(a, b, out):
    first = _frames(a)
    second = _frames(b)
    x, y, u, v = np.empty(12), np.empty(12), np.empty(12), np.empty(12)
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            out[i, j] = 0.0
            if (
                first[0, i] < second[2, j]
                and second[0, j] < first[2, i]
                and first[1, i] < second[3, j]
                and second[1, j] < first[3, i]
            ):
                turn = _quad_area(b, j)
                if turn != 0.0:
                    both = _shared_area(a, i, b, j, 1.0 if turn > 0.0 else -1.0, x, y, u, v)
                    if both > 0.0:
                        out[i, j] = both / (first[4, i] + second[4, j] - both)
