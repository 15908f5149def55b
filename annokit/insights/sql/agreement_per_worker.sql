-- Agreement of each worker: of the labels that could be compared, the share that most of the others gave, too, with its 95 %
-- interval (Wilson); pairwise is the mean share of the others.
WITH counted AS (
  SELECT
    worker,
    COUNT(shared) AS compared,
    CAST(SUM(shared) AS DOUBLE) AS shared,
    CAST(COUNT(shared) AS DOUBLE) AS n,
    CAST(SUM(others_same) AS DOUBLE) / SUM(others) AS pairwise
  FROM votes
  WHERE others > 0
  GROUP BY worker
)
SELECT
  worker,
  compared,
  CASE WHEN n > 0 THEN shared / n END AS agreement,
  CASE WHEN n > 0 THEN (shared + 1.9208 - 1.96 * SQRT(shared * (n - shared) / n + 0.9604)) / (n + 3.8416) END AS low,
  CASE WHEN n > 0 THEN (shared + 1.9208 + 1.96 * SQRT(shared * (n - shared) / n + 0.9604)) / (n + 3.8416) END AS high,
  pairwise
FROM counted
ORDER BY compared DESC, worker
