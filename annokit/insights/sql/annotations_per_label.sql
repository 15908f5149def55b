-- The blog's: answers with a data record for each label.
SELECT COUNT(dataRecord) AS TotalLabels, label AS Label
FROM annotations_view
GROUP BY label
ORDER BY TotalLabels DESC, Label
