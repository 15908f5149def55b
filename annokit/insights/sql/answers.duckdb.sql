-- What the engine adds to the answers: seconds a task took, which answer of its data row it is, whether it completes it.
-- Seconds are the platform's active time, else from acceptance to submission, else from the worker's previous answer
-- when that is no more than 30 minutes ago. A data row is done with its {{answers_each}}th answer.
WITH placed AS (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY data_row ORDER BY submitted_epoch, answer) AS nth,
    submitted_epoch - LAG(submitted_epoch) OVER (PARTITION BY worker ORDER BY submitted_epoch, answer) AS gap
  FROM answers_read
)
SELECT
  * EXCLUDE (gap),
  CASE
    WHEN active_seconds IS NOT NULL THEN active_seconds
    WHEN wall_seconds IS NOT NULL THEN wall_seconds
    WHEN worker IS NOT NULL AND gap <= 1800 THEN gap
  END AS seconds,
  CASE
    WHEN active_seconds IS NOT NULL THEN 'active'
    WHEN wall_seconds IS NOT NULL THEN 'wall'
    WHEN worker IS NOT NULL AND gap <= 1800 THEN 'gap'
  END AS seconds_from,
  nth = {{answers_each}} AS completes
FROM placed
ORDER BY answer
