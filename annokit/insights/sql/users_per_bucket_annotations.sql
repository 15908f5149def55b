-- The blog's: users by how many answers they gave. width_bucket(n, ARRAY[0,25,50,75,100]) is the number of bounds that
-- are not above n, so 25 falls in bucket 2 although its name says 25-50 after 0-25.
SELECT
  bucket,
  numberOfUsers,
  CASE
    WHEN bucket = 5 THEN 'B' || CAST(bucket AS VARCHAR(10)) || ': ' || CAST((bucket - 1) * 25 AS VARCHAR(10)) || '+'
    ELSE 'B' || CAST(bucket AS VARCHAR(10)) || ': ' || CAST((bucket - 1) * 25 AS VARCHAR(10)) || '-'
      || CAST(bucket * 25 AS VARCHAR(10))
  END AS NumberOfAnnotations
FROM (
  SELECT bucket, COUNT(User) AS numberOfUsers
  FROM (
    SELECT
      CASE
        WHEN LabeledItems < 25 THEN 1
        WHEN LabeledItems < 50 THEN 2
        WHEN LabeledItems < 75 THEN 3
        WHEN LabeledItems < 100 THEN 4
        ELSE 5
      END AS bucket,
      User
    FROM annotations_per_user
  ) AS placed
  GROUP BY bucket
) AS counted
ORDER BY bucket
