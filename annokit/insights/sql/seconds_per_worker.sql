-- Seconds a task took, for each worker: the median (of an even number the mean of the two in the middle), other
-- quantiles (the smallest value that so many do not exceed), and answers an hour. Idle is the share of the time from
-- acceptance to submission in which nobody worked, where a platform says both.
WITH timed AS (
  SELECT worker, seconds, active_seconds, wall_seconds
  FROM answers
  WHERE seconds IS NOT NULL
),
ranked AS (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY worker ORDER BY seconds) AS place,
    COUNT(*) OVER (PARTITION BY worker) AS n
  FROM timed
)
SELECT
  worker,
  COUNT(*) AS answers,
  SUM(seconds) AS seconds,
  MIN(CASE WHEN place >= 0.10 * n THEN seconds END) AS q10,
  MIN(CASE WHEN place >= 0.25 * n THEN seconds END) AS q25,
  AVG(CASE WHEN 2 * place BETWEEN n AND n + 2 THEN seconds END) AS median,
  MIN(CASE WHEN place >= 0.75 * n THEN seconds END) AS q75,
  MIN(CASE WHEN place >= 0.90 * n THEN seconds END) AS q90,
  CASE WHEN SUM(seconds) > 0 THEN 3600 * COUNT(*) / SUM(seconds) END AS answers_per_hour,
  1 - SUM(CASE WHEN wall_seconds > 0 THEN active_seconds END)
    / SUM(CASE WHEN active_seconds IS NOT NULL AND wall_seconds > 0 THEN wall_seconds END) AS idle
FROM ranked
GROUP BY worker
ORDER BY answers DESC, worker
