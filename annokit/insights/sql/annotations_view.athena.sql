-- The worker responses as they lie in S3, and the blog's annotations_view over them. The arrays are unnested one by one:
-- a view that unnests an array of structs fails in Athena's engine 3, and means another thing in Trino.
CREATE EXTERNAL TABLE IF NOT EXISTS annotations_raw (
  answers array<struct<
    answercontent: struct<element: struct<label: string>>,
    submissiontime: string,
    workerid: string,
    workermetadata: struct<identitydata: struct<identityprovidertype: string, issuer: string, sub: string>>
  >>
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('mapping.element' = '{{element}}')
LOCATION '{{job}}/annotations/worker-response/';

CREATE OR REPLACE VIEW annotations_view AS
SELECT
  regexp_extract("$path", 'iteration-[0-9]*') AS iteration,
  regexp_extract("$path", '(iteration-[0-9]*/([0-9]*))', 2) AS dataRecord,
  answered AS label,
  CAST(from_iso8601_timestamp(submitted) AS timestamp) AS submissionTime,
  CAST(from_iso8601_timestamp(submitted) AS date) AS submissionDay,
  worker AS workerId,
  provider AS identityProviderType,
  issued AS issuer,
  subject AS sub,
  "$path" AS path
FROM annotations_raw
CROSS JOIN UNNEST(
  transform(answers, a -> a.answercontent.element.label),
  transform(answers, a -> a.submissiontime),
  transform(answers, a -> a.workerid),
  transform(answers, a -> a.workermetadata.identitydata.identityprovidertype),
  transform(answers, a -> a.workermetadata.identitydata.issuer),
  transform(answers, a -> a.workermetadata.identitydata.sub)
) AS t (answered, submitted, worker, provider, issued, subject);
