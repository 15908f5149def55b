-- The worker responses as they lie in the job's folder, and the blog's annotations_view over them.
CREATE OR REPLACE TEMPORARY VIEW annotations_raw (
  answers ARRAY<STRUCT<
    answerContent: STRUCT<`{{element}}`: STRUCT<label: STRING>>,
    submissionTime: STRING,
    workerId: STRING,
    workerMetadata: STRUCT<identityData: STRUCT<identityProviderType: STRING, issuer: STRING, sub: STRING>>
  >>
)
USING json
OPTIONS (path '{{job}}/annotations/worker-response', recursiveFileLookup 'true', multiLine 'true');

CREATE OR REPLACE TEMPORARY VIEW annotations_view AS
SELECT
  CASE WHEN path RLIKE 'iteration-[0-9]*' THEN regexp_extract(path, 'iteration-[0-9]*', 0) END AS iteration,
  CASE WHEN path RLIKE 'iteration-[0-9]*/[0-9]*'
       THEN regexp_extract(path, '(iteration-[0-9]*/([0-9]*))', 2) END AS dataRecord,
  answer.answerContent.`{{element}}`.label AS label,
  CAST(answer.submissionTime AS TIMESTAMP_NTZ) AS submissionTime,
  CAST(CAST(answer.submissionTime AS TIMESTAMP_NTZ) AS DATE) AS submissionDay,
  answer.workerId AS workerId,
  answer.workerMetadata.identityData.identityProviderType AS identityProviderType,
  answer.workerMetadata.identityData.issuer AS issuer,
  answer.workerMetadata.identityData.sub AS sub,
  path
FROM (SELECT answers, input_file_name() AS path FROM annotations_raw) AS files
LATERAL VIEW EXPLODE(answers) t AS answer;
