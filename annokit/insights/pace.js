// The same forecast as annokit/insights/pace.py; a test compares the two.
function forecast(counts, rest) {
  const window = 28, fewest = 5, farthest = 3650, z = 1.6449;
  const first = counts.findIndex((n) => n > 0);
  let last = counts.length - 1;
  while (last >= 0 && counts[last] === 0) last -= 1;
  if (rest <= 0) return { why: 'the goal is reached' };
  if (first < 0) return { why: 'nothing is done yet' };
  const days = Math.min(window, last - first);
  if (days < fewest) return { why: `it takes more than ${fewest} days of work to tell` };
  const seen = counts.slice(last - days, last);
  const mean = seen.reduce((a, b) => a + b, 0) / days;
  const f = days - 1;
  const student = z + (z ** 3 + z) / (4 * f) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * f ** 2);
  const spread = student * Math.sqrt(seen.reduce((a, b) => a + (b - mean) ** 2, 0) / f);
  const reached = (sign) => {
    for (let h = 1; h <= farthest; h += 1) if (h * mean + sign * spread * Math.sqrt(h + h * h / days) >= rest) return h;
    return null;
  };
  return { last, days, mean, spread, expected: reached(0), earliest: reached(1), latest: reached(-1) };
}
