-- Workers by how many answers they gave; both bounds belong to their bucket, and buckets with nobody are there.
WITH bounds AS (
  SELECT 1 AS bucket, 1 AS low, {{width}} - 1 AS high
  UNION ALL SELECT 2, {{width}}, 2 * {{width}} - 1
  UNION ALL SELECT 3, 2 * {{width}}, 3 * {{width}} - 1
  UNION ALL SELECT 4, 3 * {{width}}, 4 * {{width}} - 1
  UNION ALL SELECT 5, 4 * {{width}}, NULL
)
SELECT
  b.bucket,
  b.low,
  b.high,
  COUNT(w.answers) AS workers,
  CAST(COALESCE(SUM(w.answers), 0) AS BIGINT) AS answers
FROM bounds AS b
LEFT JOIN answers_per_worker AS w
  ON w.worker IS NOT NULL AND w.answers >= b.low AND (b.high IS NULL OR w.answers <= b.high)
GROUP BY b.bucket, b.low, b.high
ORDER BY b.bucket
