"""Kernels that fill in the frames between key frames, and that find out which of them are needed."""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs

from __future__ import annotations

import numpy as np

from annokit_fast._jit import jit


@jit
def falls(frames, ends, pairs):
    """Index of the first frame of a track that is not above the one before it, or -1.

    In `pairs` of first and last, every second one may equal the one before.
    """
    for t in range(ends.size - 1):
        for i in range(ends[t] + 1, ends[t + 1]):
            step = frames[i] - frames[i - 1]
            if step < 0 or (step == 0 and not (pairs and (i - ends[t]) & 1)):
                return i
    return -1


@jit
def piece_keys(keyframes, track_ends, pieces, piece_ends, found):
    """First key of every piece and one after its last; returns the first piece without a key, or -1."""
    for t in range(piece_ends.size - 1):
        k = track_ends[t]
        for p in range(piece_ends[t], piece_ends[t + 1]):
            while k < track_ends[t + 1] and keyframes[k] < pieces[p, 0]:
                k += 1
            found[p, 0] = k
            while k < track_ends[t + 1] and keyframes[k] <= pieces[p, 1]:
                k += 1
            found[p, 1] = k
            if found[p, 0] == k:
                return p
    return -1


@jit
def _difference(a, b, turning):
    """From a to b; for angles in degrees, the short way round."""
    d = b - a
    if turning:
        d -= 360.0 * np.floor((d + 180.0) / 360.0)
    return d


@jit
def _hold(part, values, k):
    """The values of one key in every frame of `part`, which is flat."""
    width = values.shape[1]
    for i in range(0, part.size, width):
        for c in range(width):
            part[i + c] = values[k, c]


@jit
def _line(part, values, k, steps, offset, ramp):
    """Frames of boxes between the keys k and k + 1, the first `offset` after k; `ramp` is 0.0, 1.0 and so on."""
    a0, a1, a2, a3 = values[k, 0], values[k, 1], values[k, 2], values[k, 3]
    d0 = (values[k + 1, 0] - a0) / steps
    d1 = (values[k + 1, 1] - a1) / steps
    d2 = (values[k + 1, 2] - a2) / steps
    d3 = (values[k + 1, 3] - a3) / steps
    for i in range(part.size >> 2):
        q = ramp[i] + offset  # to read numbers of frames is faster than to convert them
        part[4 * i] = a0 + d0 * q
        part[4 * i + 1] = a1 + d1 * q
        part[4 * i + 2] = a2 + d2 * q
        part[4 * i + 3] = a3 + d3 * q


@jit
def _lines(part, values, turning, k, steps, offset, ramp, slopes):
    """As `_line`, for any number of columns and with angles."""
    width = values.shape[1]
    frames = part.size // width
    for c in range(width):
        turns = turning.size > 0 and turning[c]
        slopes[c] = _difference(values[k, c], values[k + 1, c], turns) / steps
    if width < 4:
        for c in range(width):
            a, d = values[k, c], slopes[c]
            for i in range(frames):
                part[i * width + c] = a + d * (ramp[i] + offset)
        return
    for i in range(frames):
        q = ramp[i] + offset
        for c in range(width):
            part[i * width + c] = values[k, c] + slopes[c] * q


@jit
def every_frame(keyframes, values, turning, pieces, keys, piece_ends, out):
    """All frames of all tracks; NaN outside the pieces."""
    frames = out.shape[1]
    width = out.shape[2]
    if width == 0:
        return
    flat = out.reshape(-1)
    boxes = width == 4 and turning.size == 0
    ramp = np.arange(np.float64(frames))
    slopes = np.empty(width)
    for t in range(piece_ends.size - 1):
        track = flat[t * frames * width : (t + 1) * frames * width]
        at = np.int64(0)
        for p in range(piece_ends[t], piece_ends[t + 1]):
            first = min(max(pieces[p, 0], at), frames)
            stop = min(pieces[p, 1] + 1, frames)
            if first >= stop:
                continue
            track[at * width : first * width] = np.nan
            k, last = keys[p, 0], keys[p, 1] - 1
            at = min(max(keyframes[k], first), stop)
            _hold(track[first * width : at * width], values, k)
            while k < last:
                until = min(max(keyframes[k + 1], at), stop)
                part = track[at * width : until * width]
                offset = np.float64(at - keyframes[k])
                steps = np.float64(keyframes[k + 1] - keyframes[k])
                if boxes:
                    _line(part, values, k, steps, offset, ramp)
                else:
                    _lines(part, values, turning, k, steps, offset, ramp, slopes)
                at = until
                k += 1
            _hold(track[at * width : stop * width], values, last)
            at = stop
        track[at * width :] = np.nan


@jit
def some_frames(keyframes, values, turning, pieces, keys, piece_ends, frames, out):
    """The frames asked for, of all tracks; NaN outside the pieces."""
    for t in range(piece_ends.size - 1):
        for i in range(frames.size):
            f = frames[i]
            p, stop = piece_ends[t], piece_ends[t + 1]
            while p < stop and pieces[p, 1] < f:
                p += 1
            if p == stop or f < pieces[p, 0]:
                out[t, i, :] = np.nan
                continue
            low, high = keys[p, 0], keys[p, 1]
            while high - low > 1:
                middle = (low + high) >> 1
                if keyframes[middle] <= f:
                    low = middle
                else:
                    high = middle
            if f <= keyframes[low] or low + 1 == keys[p, 1]:
                for c in range(values.shape[1]):
                    out[t, i, c] = values[low, c]
                continue
            steps = np.float64(keyframes[low + 1] - keyframes[low])
            q = np.float64(f - keyframes[low])
            for c in range(values.shape[1]):
                a = values[low, c]
                d = _difference(a, values[low + 1, c], turning.size > 0 and turning[c]) / steps
                out[t, i, c] = a + d * q


@jit
def fewest(frames, values, track_ends, within, kept):
    """Marks in `kept` a smallest set of frames of each track between which lines pass all others.

    From a frame i, the slopes of lines that pass every frame up to j within the tolerance are one interval for
    each column, which only shrinks as j grows; j can follow i if the line to it lies in all of them. The frames
    that can follow are looked for layer by layer, so the first way found to the last frame is a shortest.
    """
    width = values.shape[1]
    low = np.empty((width, 2))  # slopes as rise and run, compared by products: whole numbers stay exact
    high = np.empty((width, 2))
    for t in range(track_ends.size - 1):
        first, stop = track_ends[t], track_ends[t + 1]
        if first == stop:
            continue
        before = np.full(stop - first, -1, np.int64)
        queue = np.empty(stop - first, np.int64)
        queue[0] = first
        done, found = 0, 1
        while done < found and (before[stop - first - 1] < 0 and stop - first > 1):
            i = queue[done]
            done += 1
            low[:, 0], low[:, 1] = -np.inf, 1.0
            high[:, 0], high[:, 1] = np.inf, 1.0
            for j in range(i + 1, stop):
                span = np.float64(frames[j] - frames[i])
                straight = True
                open_ = True
                for c in range(width):
                    rise = values[j, c] - values[i, c]
                    straight = straight and low[c, 0] * span <= rise * low[c, 1]
                    straight = straight and rise * high[c, 1] <= high[c, 0] * span
                    if (rise - within) * low[c, 1] > low[c, 0] * span:
                        low[c, 0], low[c, 1] = rise - within, span
                    if (rise + within) * high[c, 1] < high[c, 0] * span:
                        high[c, 0], high[c, 1] = rise + within, span
                    open_ = open_ and low[c, 0] * high[c, 1] <= high[c, 0] * low[c, 1]
                if straight and before[j - first] < 0:
                    before[j - first] = i
                    queue[found] = j
                    found += 1
                if not open_:
                    break
        i = stop - 1
        while i > first:
            kept[i] = True
            i = before[i - first]
        kept[first] = True
