-- The worker responses as they lie in the job's folder, and the blog's annotations_view over them.
CREATE OR REPLACE VIEW annotations_raw AS
SELECT *
FROM read_json(
  '{{job}}/annotations/worker-response/*/*/*.json',
  filename = true, format = 'unstructured', maximum_object_size = 67108864,
  columns = {answers: 'STRUCT(answerContent JSON, submissionTime VARCHAR, workerId VARCHAR, workerMetadata STRUCT(
    identityData STRUCT(identityProviderType VARCHAR, issuer VARCHAR, sub VARCHAR)))[]'}
);

CREATE OR REPLACE VIEW annotations_view AS
SELECT
  CASE WHEN regexp_matches(filename, 'iteration-[0-9]*') THEN regexp_extract(filename, 'iteration-[0-9]*') END AS iteration,
  CASE WHEN regexp_matches(filename, 'iteration-[0-9]*/[0-9]*')
       THEN regexp_extract(filename, '(iteration-[0-9]*/([0-9]*))', 2) END AS dataRecord,
  answer.answerContent ->> '$."{{element}}".label' AS label,
  CAST(rtrim(answer.submissionTime, 'Z') AS TIMESTAMP) AS submissionTime,
  CAST(CAST(rtrim(answer.submissionTime, 'Z') AS TIMESTAMP) AS DATE) AS submissionDay,
  answer.workerId AS workerId,
  answer.workerMetadata.identityData.identityProviderType AS identityProviderType,
  answer.workerMetadata.identityData.issuer AS issuer,
  answer.workerMetadata.identityData.sub AS sub,
  filename AS path
FROM annotations_raw, UNNEST(answers) AS t(answer);
