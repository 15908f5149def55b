"""COCO, behind `coco`, `coco_panoptic` and `coco_results`."""
