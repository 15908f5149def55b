-- Each worker's mix of labels against everybody else's: both shares, their difference, and its 95 % interval (Newcombe's
-- hybrid of two Wilson intervals), which is wide for a worker with few answers.
WITH given AS (
  SELECT a.worker, x.element, x.label, COUNT(DISTINCT x.answer) AS answers
  FROM answer_labels AS x
  JOIN answers AS a ON a.answer = x.answer
  GROUP BY a.worker, x.element, x.label
),
workers AS (
  SELECT worker, element, SUM(answers) AS of_worker FROM given GROUP BY worker, element
),
labels AS (
  SELECT element, label, SUM(answers) AS of_label FROM given GROUP BY element, label
),
elements AS (
  SELECT element, SUM(answers) AS of_all FROM given GROUP BY element
),
counted AS (
  SELECT
    g.worker,
    g.element,
    g.label,
    g.answers,
    CAST(w.of_worker AS DOUBLE) AS n1,
    CAST(g.answers AS DOUBLE) / w.of_worker AS p1,
    CAST(e.of_all - w.of_worker AS DOUBLE) AS n2,
    CAST(l.of_label - g.answers AS DOUBLE) / (e.of_all - w.of_worker) AS p2
  FROM given AS g
  JOIN workers AS w ON w.worker = g.worker AND w.element = g.element
  JOIN labels AS l ON l.element = g.element AND l.label = g.label
  JOIN elements AS e ON e.element = g.element
  WHERE e.of_all > w.of_worker
),
bounded AS (
  SELECT
    *,
    (p1 + 1.9208 / n1 - 1.96 * SQRT(p1 * (1 - p1) / n1 + 0.9604 / (n1 * n1))) / (1 + 3.8416 / n1) AS low1,
    (p1 + 1.9208 / n1 + 1.96 * SQRT(p1 * (1 - p1) / n1 + 0.9604 / (n1 * n1))) / (1 + 3.8416 / n1) AS high1,
    (p2 + 1.9208 / n2 - 1.96 * SQRT(p2 * (1 - p2) / n2 + 0.9604 / (n2 * n2))) / (1 + 3.8416 / n2) AS low2,
    (p2 + 1.9208 / n2 + 1.96 * SQRT(p2 * (1 - p2) / n2 + 0.9604 / (n2 * n2))) / (1 + 3.8416 / n2) AS high2
  FROM counted
)
SELECT
  worker,
  element,
  label,
  answers,
  p1 AS share,
  p2 AS share_of_others,
  p1 - p2 AS difference,
  p1 - p2 - SQRT((p1 - low1) * (p1 - low1) + (high2 - p2) * (high2 - p2)) AS low,
  p1 - p2 + SQRT((high1 - p1) * (high1 - p1) + (p2 - low2) * (p2 - low2)) AS high
FROM bounded
ORDER BY worker, element, answers DESC, label
