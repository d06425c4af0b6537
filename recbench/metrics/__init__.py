"""ROC windows, Top-K metrics, and intervals over users; numpy only."""
