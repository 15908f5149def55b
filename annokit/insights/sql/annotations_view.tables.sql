-- The blog's annotations_view over annokit's own tables, in DuckDB: Presto gives '' where the digits are missing, and
-- NULL only where the path does not match at all.
SELECT
  CASE WHEN regexp_matches(path, 'iteration-[0-9]*') THEN regexp_extract(path, 'iteration-[0-9]*') END AS iteration,
  CASE WHEN regexp_matches(path, 'iteration-[0-9]*/[0-9]*')
       THEN regexp_extract(path, '(iteration-[0-9]*/([0-9]*))', 2) END AS dataRecord,
  given.label AS label,
  make_timestamp(epoch_us(submitted_at)) AS submissionTime,
  CAST(make_timestamp(epoch_us(submitted_at)) AS DATE) AS submissionDay,
  worker AS workerId,
  identity_provider_type AS identityProviderType,
  issuer,
  sub,
  path
FROM answers
LEFT JOIN (
  SELECT answer, MIN(label) AS label
  FROM answer_labels
  WHERE element = '{{element}}' AND kind = 'radio'
  GROUP BY answer
) AS given ON given.answer = answers.answer
ORDER BY answers.answer
