"""Click models: one encoder of features, eight models on it, training, arms that differ by their captions, scoring."""
