-- The blog's: answers for each sub. Workers without one (public, vendor) are a single row with 0.
SELECT COUNT(sub) AS LabeledItems, sub AS User
FROM annotations_view
GROUP BY sub
ORDER BY LabeledItems DESC
