-- How often each label was given: answers, data rows and marks (objects). The weight is what a balanced loss multiplies
-- with (all / labels / this one); imbalance is how many times the most frequent label is as frequent.
WITH counted AS (
  SELECT
    x.element,
    x.label,
    COUNT(DISTINCT x.answer) AS answers,
    COUNT(DISTINCT a.data_row) AS data_rows,
    CAST(SUM(x.marks) AS BIGINT) AS marks
  FROM answer_labels AS x
  JOIN answers AS a ON a.answer = x.answer
  GROUP BY x.element, x.label
)
SELECT
  element,
  label,
  answers,
  data_rows,
  marks,
  CAST(answers AS DOUBLE) / SUM(answers) OVER (PARTITION BY element) AS share,
  CAST(SUM(answers) OVER (PARTITION BY element) AS DOUBLE) / COUNT(*) OVER (PARTITION BY element) / answers AS weight,
  CAST(MAX(answers) OVER (PARTITION BY element) AS DOUBLE) / answers AS imbalance
FROM counted
ORDER BY element, answers DESC, label
