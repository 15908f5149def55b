"""MOTChallenge, behind `mot`."""
