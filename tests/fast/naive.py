"""Slow, obvious twins of the kernels: plain loops over pixels, points and permutations."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np


def counts(mask):
    """Run lengths of a mask read column by column, starting with background."""
    runs, value, length = [], 0, 0
    for pixel in np.asarray(mask).astype(bool).ravel(order="F"):
        if pixel != value:
            runs.append(length)
            value, length = pixel, 0
        length += 1
    return [*runs, length]


def decode(runs, height, width):
    values = np.repeat(np.arange(len(runs)) % 2, runs)
    return values.reshape(width, height).T.astype(np.uint8)


def coco_ring(ring, height, width):
    """Dollar's rleFrPoly step by step: trace the ring on a grid of fifths, keep where the column changes, toggle."""
    if len(ring) == 0 or height * width == 0:
        return np.zeros((height, width), np.uint8)
    x = [int(5 * a + 0.5) for a, _ in ring]
    y = [int(5 * b + 0.5) for _, b in ring]
    x, y = [*x, x[0]], [*y, y[0]]
    u, v = [], []
    for j in range(len(ring)):
        xs, xe, ys, ye = x[j], x[j + 1], y[j], y[j + 1]
        dx, dy = abs(xe - xs), abs(ys - ye)
        flip = (dx >= dy and xs > xe) or (dx < dy and ys > ye)
        if flip:
            xs, xe, ys, ye = xe, xs, ye, ys
        steps = max(dx, dy)
        slope = 0.0 if steps == 0 else ((ye - ys) / dx if dx >= dy else (xe - xs) / dy)
        for d in range(steps + 1):
            t = steps - d if flip else d
            u.append(t + xs if dx >= dy else int(xs + slope * t + 0.5))
            v.append(int(ys + slope * t + 0.5) if dx >= dy else t + ys)
    toggles = np.zeros(height * width + 1, np.int64)
    for j in range(1, len(u)):
        if u[j] == u[j - 1]:
            continue
        column = (min(u[j], u[j - 1]) + 0.5) / 5 - 0.5
        if column != np.floor(column) or not 0 <= column < width:
            continue
        row = np.ceil(min(max((min(v[j], v[j - 1]) + 0.5) / 5 - 0.5, 0), height))
        toggles[int(column) * height + int(row)] += 1
    inside = np.cumsum(toggles)[:-1] % 2
    return inside.reshape(width, height).T.astype(np.uint8)


def center_ring(ring, height, width):
    """Pixels whose centre a ring holds, by counting crossings to the right of it."""
    mask = np.zeros((height, width), np.uint8)
    for row in range(height):
        y, crossings = row + 0.5, []
        for (ax, ay), (bx, by) in zip(np.roll(ring, 1, axis=0), ring, strict=True):
            (x1, y1), (x2, y2) = sorted([(ax, ay), (bx, by)], key=lambda point: point[1])
            if y1 <= y < y2:
                crossings.append(np.floor((y - y1) * (x2 - x1) / (y2 - y1) + x1 + 0.5))
        for left, right in zip(*[iter(sorted(crossings))] * 2, strict=True):
            mask[row, int(max(left, 0)) : int(max(right, 0))] = 1
    return mask


def bounds(mask):
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return [0, 0, 0, 0]
    return [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]


def coco_bounds(mask):
    """As pycocotools: a run that goes on into the next column makes the box as tall as the image."""
    box = bounds(mask)
    height = mask.shape[0]
    joined = mask[-1, :-1].astype(bool) & mask[0, 1:].astype(bool) if height else np.zeros(0, bool)
    return [box[0], 0, box[2], height] if joined.any() else box


def crop(mask, x, y, width, height):
    result = np.zeros((height, width), np.uint8)
    for row in range(height):
        for column in range(width):
            if 0 <= row + y < mask.shape[0] and 0 <= column + x < mask.shape[1]:
                result[row, column] = mask[row + y, column + x]
    return result


def resize_nearest(mask, height, width):
    rows = [int((2 * row + 1) * mask.shape[0] // (2 * height)) for row in range(height)]
    columns = [int((2 * column + 1) * mask.shape[1] // (2 * width)) for column in range(width)]
    return mask[np.ix_(rows, columns)]


def mask_iou(a, b, crowd=False):
    both = np.logical_and(a, b).sum()
    either = np.sum(a) if crowd else np.logical_or(a, b).sum()
    return both / either if both else 0.0


def box_iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def nms(boxes, scores, threshold, classes=None):
    keep = []
    for i in np.argsort(-np.asarray(scores), kind="stable"):
        rivals = [k for k in keep if classes is None or classes[k] == classes[i]]
        if all(box_iou(boxes[i], boxes[k]) <= threshold for k in rivals):
            keep.append(int(i))
    return keep


def best_sum(scores):
    """Largest sum of an assignment, by trying them all."""
    scores = np.asarray(scores)
    if scores.shape[0] > scores.shape[1]:
        scores = scores.T
    rows = range(scores.shape[0])
    return max(
        sum(scores[i, p[i]] for i in rows) for p in permutations(range(scores.shape[1]), scores.shape[0])
    )


def interpolate(keyframes, values, frame, segments=None, angles=()):
    """Values of one track at one frame."""
    for first, last in [(-np.inf, np.inf)] if segments is None else segments:
        if first <= frame <= last:
            inside = [k for k, key in enumerate(keyframes) if first <= key <= last]
            before = [k for k in inside if keyframes[k] <= frame]
            after = [k for k in inside if keyframes[k] > frame]
            if not before or not after:
                return values[before[-1] if before else after[0]]
            i, j = before[-1], after[0]
            step = values[j] - values[i]
            for column in angles:
                step[column] = (step[column] + 180) % 360 - 180
            return values[i] + step * (frame - keyframes[i]) / (keyframes[j] - keyframes[i])
    return np.full(values.shape[1], np.nan)


def fewest_keyframes(frames, values, within):
    """The size of the smallest subset of one track's frames that gives all others: every subset is tried."""
    inner = range(1, len(frames) - 1)
    for size in range(len(frames) - 1):
        for chosen in combinations(inner, size):
            kept = sorted({0, *chosen, len(frames) - 1})
            lines = [np.interp(frames, frames[kept], column[kept]) for column in values.T]
            if (np.abs(np.stack(lines, axis=1) - values) <= within + 1e-9).all():
                return len(kept)
    return len(frames)


def krippendorff(units, difference):
    """Alpha by its coincidence matrix; `units` are lists of values."""
    units = [unit for unit in units if len(unit) > 1]
    values = sorted({value for unit in units for value in unit})
    at = {value: place for place, value in enumerate(values)}
    together = np.zeros((len(values), len(values)))
    for unit in units:
        for a, b in permutations(range(len(unit)), 2):
            together[at[unit[a]], at[unit[b]]] += 1 / (len(unit) - 1)
    total = together.sum(axis=0)
    apart = np.array(
        [[difference(values, total, k, j) for j in range(len(values))] for k in range(len(values))]
    )
    expected = (np.outer(total, total) * apart).sum() if len(values) else 0
    return 1 - (total.sum() - 1) * (together * apart).sum() / expected if expected else np.nan


DIFFERENCES = {
    "nominal": lambda values, total, k, j: float(k != j),
    "ordinal": lambda values, total, k, j: (
        (total[min(k, j) : max(k, j) + 1].sum() - (total[k] + total[j]) / 2) ** 2
    ),
    "interval": lambda values, total, k, j: (values[k] - values[j]) ** 2,
    "ratio": lambda values, total, k, j: (
        0.0 if k == j else ((values[k] - values[j]) / (values[k] + values[j])) ** 2
    ),
}


def cluster(scores, annotators, link):
    """Grow clusters along the pairs, best score first; gives sets of places."""
    n = len(annotators)
    clusters = [{i} for i in range(n)]
    pairs = [
        (i, j)
        for i in range(n)
        for j in range(i + 1, n)
        if annotators[i] != annotators[j] and scores[i, j] >= link
    ]
    for i, j in sorted(pairs, key=lambda pair: -scores[pair]):
        a, b = (next(c for c in clusters if k in c) for k in (i, j))
        if a is b or {annotators[k] for k in a} & {annotators[k] for k in b}:
            continue
        if np.mean([scores[k, m] for k in a for m in b]) >= link:
            clusters.remove(b)
            a |= b
    return {frozenset(c) for c in clusters}


def staple(masks, rounds=200, tolerance=1e-7):
    """STAPLE pixel by pixel: the mask, and each rater's sensitivity and specificity."""
    votes = np.asarray(masks).reshape(len(masks), -1).astype(float)
    prior, p, q = votes.mean(), np.full(len(votes), 0.99999), np.full(len(votes), 0.99999)
    for _ in range(rounds):
        hit = prior * np.prod(np.where(votes, p[:, None], 1 - p[:, None]), axis=0)
        miss = (1 - prior) * np.prod(np.where(votes, 1 - q[:, None], q[:, None]), axis=0)
        weight = hit / (hit + miss)
        new_p, new_q = (
            (votes * weight).sum(1) / weight.sum(),
            ((1 - votes) * (1 - weight)).sum(1) / (1 - weight).sum(),
        )
        moved = max(abs(new_p - p).max(), abs(new_q - q).max())
        p, q = new_p, new_q
        if moved < tolerance:
            break
    return (weight >= 0.5).reshape(np.shape(masks)[1:]), p, q


def expect(items, annotators, labels, confusion, prior):
    """Posterior of every item and the log-likelihood, one item after the other."""
    posterior, likelihood = [], 0.0
    for t in range(max(items) + 1):
        joint = prior.copy()
        for w, label in [(w, y) for i, w, y in zip(items, annotators, labels, strict=True) if i == t]:
            joint = joint * confusion[w, :, label]
        posterior.append(joint / joint.sum())
        likelihood += np.log(joint.sum())
    return np.array(posterior), likelihood
