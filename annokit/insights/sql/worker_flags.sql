-- Workers to look at, each with the figure and the threshold it passed. None is judged by fewer than 20 answers.
--   too-fast   a fifth of the timed answers or more took less than a third of everybody's median
--   constant   one label in 95 % of the answers or more, and at least 30 points above the median worker's share of it
--   label-mix  a label's share differs from the median worker's by more than 15 points, at the near end of its interval
--   disagrees  the far end of the interval of the agreement is more than 10 points below everybody's
-- The median worker, not all other answers: else a busy worker who is off makes everybody look off.
WITH everybody AS (
  SELECT AVG(CASE WHEN 2 * place BETWEEN n AND n + 2 THEN seconds END) AS median
  FROM (
    SELECT seconds, ROW_NUMBER() OVER (ORDER BY seconds) AS place, COUNT(*) OVER () AS n
    FROM answers
    WHERE seconds IS NOT NULL
  ) AS ranked
),
hasty AS (
  SELECT
    a.worker,
    COUNT(*) AS answers,
    AVG(CASE WHEN a.seconds < e.median / 3 THEN CAST(1 AS DOUBLE) ELSE CAST(0 AS DOUBLE) END) AS figure
  FROM answers AS a
  CROSS JOIN everybody AS e
  WHERE a.seconds IS NOT NULL AND a.worker IS NOT NULL
  GROUP BY a.worker
),
judged AS (
  SELECT worker, element, label, share, given, CAST(given AS DOUBLE) AS n
  FROM (
    SELECT
      worker,
      element,
      label,
      share,
      CAST(SUM(answers) OVER (PARTITION BY worker, element) AS BIGINT) AS given
    FROM labels_per_worker
    WHERE worker IS NOT NULL
  ) AS counted
  WHERE given >= 20
),
crowds AS (
  SELECT element, COUNT(DISTINCT worker) AS workers FROM judged GROUP BY element
),
usual AS (
  SELECT
    r.element,
    r.label,
    COALESCE(MAX(CASE WHEN r.place > 0.5 * c.workers THEN r.share END), 0) AS share
  FROM (
    SELECT element, label, share, ROW_NUMBER() OVER (PARTITION BY element, label ORDER BY share DESC) AS place
    FROM judged
  ) AS r
  JOIN crowds AS c ON c.element = r.element
  GROUP BY r.element, r.label
),
mixes AS (
  SELECT
    j.worker,
    j.label,
    j.given,
    j.share,
    j.share - u.share AS difference,
    (j.share + 1.9208 / j.n - 1.96 * SQRT(j.share * (1 - j.share) / j.n + 0.9604 / (j.n * j.n))) / (1 + 3.8416 / j.n)
      - u.share AS low,
    (j.share + 1.9208 / j.n + 1.96 * SQRT(j.share * (1 - j.share) / j.n + 0.9604 / (j.n * j.n))) / (1 + 3.8416 / j.n)
      - u.share AS high
  FROM judged AS j
  JOIN usual AS u ON u.element = j.element AND u.label = j.label
  JOIN crowds AS c ON c.element = j.element
  WHERE c.workers >= 3
),
overall AS (
  SELECT CAST(SUM(shared) AS DOUBLE) / COUNT(shared) AS agreement FROM votes
)
SELECT worker, 'too-fast' AS flag, CAST(NULL AS VARCHAR(500)) AS label, answers, figure, 0.2 AS threshold
FROM hasty
WHERE answers >= 20 AND figure >= 0.2
UNION ALL
SELECT worker, 'constant', label, given, share, 0.95
FROM mixes
WHERE share >= 0.95 AND difference >= 0.3
UNION ALL
SELECT worker, 'label-mix', label, given, difference, CASE WHEN difference > 0 THEN 0.15 ELSE -0.15 END
FROM mixes
WHERE low > 0.15 OR high < -0.15
UNION ALL
SELECT a.worker, 'disagrees', CAST(NULL AS VARCHAR(500)), a.compared, a.agreement, o.agreement - 0.1
FROM agreement_per_worker AS a
CROSS JOIN overall AS o
WHERE a.compared >= 20 AND a.high < o.agreement - 0.1
ORDER BY worker, flag, label
