-- Each day of the team's time zone: answers, data rows, workers, and data rows that were completed.
SELECT
  day,
  COUNT(*) AS answers,
  COUNT(DISTINCT data_row) AS data_rows,
  COUNT(DISTINCT worker) AS workers,
  CAST(SUM(CASE WHEN completes THEN 1 ELSE 0 END) AS BIGINT) AS completed
FROM answers
GROUP BY day
ORDER BY day
