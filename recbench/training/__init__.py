"""What trainings share: modules that say what of them is trained, the loop, rates, random streams."""
