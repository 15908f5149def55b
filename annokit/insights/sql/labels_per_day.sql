-- Imbalance over time: how often each label was given on each day, and its share of that day.
WITH counted AS (
  SELECT a.day, x.element, x.label, COUNT(DISTINCT x.answer) AS answers
  FROM answer_labels AS x
  JOIN answers AS a ON a.answer = x.answer
  GROUP BY a.day, x.element, x.label
)
SELECT
  day,
  element,
  label,
  answers,
  CAST(answers AS DOUBLE) / SUM(answers) OVER (PARTITION BY day, element) AS share
FROM counted
ORDER BY day, element, answers DESC, label
