"""Amazon SageMaker Ground Truth, behind `ground_truth` and `ground_truth_responses`."""
