"""Made-up sets of shapes with the sizes of real ones. Everything follows from the seed."""

from __future__ import annotations

import numpy as np

SETS = {"coco": (480, 640), "tiny": (480, 640), "large": (3000, 4000)}
"""Name of the set -> height and width of its images."""


def _outline(rng, radius, vertices, rough):
    """A bumpy star-shaped ring around the origin."""
    turn = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    if vertices < 40:
        turn = np.sort(rng.uniform(0, 2 * np.pi, vertices))
    bumps = 1 + sum(rng.normal(0, rough / k) * np.cos(k * turn + rng.uniform(0, 6.28)) for k in range(2, 8))
    reach = np.clip(bumps, 0.25, 2.0) * (1 + rng.normal(0, 0.02, vertices)) * radius
    stretch, tilt = np.exp(rng.normal(0, 0.35)), rng.uniform(0, np.pi)
    x, y = reach * np.cos(turn) * stretch, reach * np.sin(turn) / stretch
    return np.stack([x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt)], axis=1)


def rings(kind, count, seed=0):
    """`count` rings with two decimals, clipped to the image.

    coco: median 44 px wide, 10 to 100 vertices; tiny: under 20 px; large: 2,000 jittery vertices.
    """
    rng = np.random.default_rng(seed)
    height, width = SETS[kind]
    found = []
    for _ in range(count):
        if kind == "coco":
            radius = np.clip(np.exp(rng.normal(np.log(44), 1.0)), 4, 420) / 2
            vertices = int(np.clip(8 + 1.1 * radius * rng.uniform(0.3, 1.0), 10, 100))
        elif kind == "tiny":
            radius, vertices = rng.uniform(1.5, 9.0), int(rng.integers(4, 14))
        else:
            radius, vertices = rng.uniform(150, 1000), 2000
        ring = _outline(rng, radius, vertices, 0.25 if kind == "tiny" else 0.35)
        ring += rng.uniform(0, [width, height])
        found.append(np.round(np.clip(ring, 0, [width, height]), 2))
    return found


def ragged(parts):
    """Coordinates and offsets of a list of rings."""
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return np.concatenate([*parts, np.empty((0, 2))]), offsets


def boxes(count, seed=0):
    """Boxes x1, y1, x2, y2 in 640 x 480."""
    rng = np.random.default_rng(seed)
    size = np.clip(np.exp(rng.normal(np.log(55), 0.9, (count, 2))), 3, [576, 432])
    start = rng.uniform(0, [640, 480] - size)
    return np.concatenate([start, start + size], axis=1)


def crowded_boxes(count, seed=1):
    """Boxes in clumps, with scores, as a detector gives them before suppression."""
    rng = np.random.default_rng(seed)
    found = boxes(count, seed)[rng.integers(0, max(count // 4, 1), count)] + rng.normal(0, 3, (count, 4))
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 2)
    return found, rng.random(count)


def rotated_boxes(count, seed=0):
    """Centre x, y, width, height, angle in degrees."""
    upright = boxes(count, seed)
    angle = np.random.default_rng(seed).uniform(0, 90, count)
    return np.column_stack([(upright[:, :2] + upright[:, 2:]) / 2, upright[:, 2:] - upright[:, :2], angle])


def annotator_pairs(problems, seed=0):
    """What two annotators drew on each image, about 10 boxes each: boxes and offsets, twice."""
    rng = np.random.default_rng(seed)
    truth = boxes(1000, seed)
    sides = []
    counts = rng.integers(5, 16, (2, problems))
    chosen = rng.integers(0, len(truth), (problems, 16))
    for side in range(2):
        drawn = [truth[chosen[g, : counts[side, g]]] for g in range(problems)]
        found = np.concatenate(drawn) + rng.normal(0, 3, (int(counts[side].sum()), 4))
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        sides += [found, np.concatenate([[0], np.cumsum(counts[side])])]
    return sides


def key_frames(tracks, frames, seed=0):
    """Key frames, their boxes, and offsets of tracks with 5 to 29 key frames each."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(5, 30, tracks)
    keys = np.concatenate([np.sort(rng.choice(frames, count, replace=False)) for count in counts])
    return keys, boxes(len(keys), seed), np.concatenate([[0], np.cumsum(counts)])


def responses(items, seed=0):
    """Item, annotator and label of five answers an item, by annotators who are right two times in three."""
    rng = np.random.default_rng(seed)
    annotators = max(5, items // 40)
    truth = rng.integers(0, 5, items)
    skill = rng.beta(6, 3, annotators)
    item = np.repeat(np.arange(items), 5)
    who = rng.integers(0, annotators, len(item))
    right = rng.random(len(item)) < skill[who]
    label = np.where(right, truth[item], rng.integers(0, 5, len(item)))
    order = rng.permutation(len(item))
    return item[order], who[order], label[order]


def annotated_boxes(images, seed=0):
    """What five annotators drew on each image, about 10 boxes each: boxes, offsets, annotator."""
    rng = np.random.default_rng(seed)
    found, who, counts = [], [], []
    for _ in range(images):
        truth = boxes(10, int(rng.integers(1 << 30)))
        drawn = [truth[rng.random(10) > 0.1] for _ in range(5)]
        found += [part + rng.normal(0, 2, part.shape) for part in drawn]
        who += [np.full(len(part), w) for w, part in enumerate(drawn)]
        counts.append(sum(map(len, drawn)))
    joined = np.concatenate(found)
    joined[:, 2:] = np.maximum(joined[:, 2:], joined[:, :2] + 1)
    return joined, np.concatenate([[0], np.cumsum(counts)]), np.concatenate(who)


def mask_votes(images, seed=0):
    """Five masks (256, 256) of one blob an image, the fifth annotator's far off: bool (images, 5, h, w)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256]
    masks = np.zeros((images, 5, 256, 256), bool)
    for i in range(images):
        middle, reach = rng.uniform(80, 176, 2), rng.uniform(30, 70, 2)
        for w, slip in enumerate((1, 2, 3, 5, 25)):
            at, size = middle + rng.normal(0, slip, 2), np.maximum(reach + rng.normal(0, slip, 2), 5)
            masks[i, w] = ((x - at[0]) / size[0]) ** 2 + ((y - at[1]) / size[1]) ** 2 <= 1
    return masks
