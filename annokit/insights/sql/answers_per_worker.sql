-- Answers, data rows and days of each worker, by worker id; share of all answers, and the share of those who gave at
-- least as many.
WITH counted AS (
  SELECT
    worker,
    COUNT(*) AS answers,
    COUNT(DISTINCT data_row) AS data_rows,
    COUNT(DISTINCT day) AS days,
    MIN(day) AS first_day,
    MAX(day) AS last_day
  FROM answers
  GROUP BY worker
)
SELECT
  worker,
  answers,
  data_rows,
  days,
  first_day,
  last_day,
  CAST(answers AS DOUBLE) / SUM(answers) OVER () AS share,
  CAST(SUM(answers) OVER (ORDER BY answers DESC, worker ROWS UNBOUNDED PRECEDING) AS DOUBLE)
    / SUM(answers) OVER () AS cumulative_share
FROM counted
ORDER BY answers DESC, worker
