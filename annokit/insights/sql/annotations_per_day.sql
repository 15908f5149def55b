-- The blog's: answers with a data record for each day in UTC.
SELECT COUNT(dataRecord) AS LabeledItems, submissionDay
FROM annotations_view
GROUP BY submissionDay
ORDER BY submissionDay, LabeledItems DESC
