-- Workers to look at, each with the figure and the threshold it passed. None is judged by fewer than 20 answers.
--   too-fast   a fifth of the timed answers or more took less than a third of everybody's median
--   constant   one label in 95 % of the answers or more, and at least 30 points above its share among the others
--   label-mix  a label's share differs from that among the others by more than 15 points, at the near end of its interval
--   disagrees  the far end of the interval of the agreement is more than 10 points below everybody's
WITH everybody AS (
  SELECT MIN(CASE WHEN place >= 0.5 * n THEN seconds END) AS median
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
mixes AS (
  SELECT
    m.*,
    CAST(SUM(answers) OVER (PARTITION BY worker, element) AS BIGINT) AS given
  FROM labels_per_worker AS m
  WHERE worker IS NOT NULL
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
WHERE given >= 20 AND share >= 0.95 AND difference >= 0.3
UNION ALL
SELECT worker, 'label-mix', label, given, difference, CASE WHEN difference > 0 THEN 0.15 ELSE -0.15 END
FROM mixes
WHERE given >= 20 AND (low > 0.15 OR high < -0.15)
UNION ALL
SELECT a.worker, 'disagrees', CAST(NULL AS VARCHAR(500)), a.compared, a.agreement, o.agreement - 0.1
FROM agreement_per_worker AS a
CROSS JOIN overall AS o
WHERE a.compared >= 20 AND a.high < o.agreement - 0.1
ORDER BY worker, flag, label
