-- Each label of each worker's latest answer to a data row, and how many of the others gave it, too. It is shared if more
-- than half of them did; NULL when nobody else answered.
WITH latest AS (
  SELECT
    answer,
    data_row,
    worker,
    day,
    ROW_NUMBER() OVER (PARTITION BY data_row, worker ORDER BY submitted_epoch DESC, answer DESC) AS back
  FROM answers
  WHERE worker IS NOT NULL
),
given AS (
  SELECT l.data_row, l.worker, l.day, l.answer, x.element, x.label
  FROM latest AS l
  JOIN answer_labels AS x ON x.answer = l.answer
  WHERE l.back = 1
),
asked AS (
  SELECT data_row, element, COUNT(DISTINCT answer) - 1 AS others FROM given GROUP BY data_row, element
),
agreed AS (
  SELECT data_row, element, label, COUNT(DISTINCT answer) - 1 AS others_same
  FROM given
  GROUP BY data_row, element, label
)
SELECT
  g.data_row,
  g.element,
  g.answer,
  g.worker,
  g.day,
  g.label,
  a.others,
  s.others_same,
  CASE
    WHEN a.others = 0 THEN NULL
    WHEN 2 * s.others_same > a.others THEN 1
    ELSE 0
  END AS shared
FROM (SELECT DISTINCT data_row, worker, day, answer, element, label FROM given) AS g
JOIN asked AS a ON a.data_row = g.data_row AND a.element = g.element
JOIN agreed AS s ON s.data_row = g.data_row AND s.element = g.element AND s.label = g.label
ORDER BY g.data_row, g.element, g.answer, g.label
