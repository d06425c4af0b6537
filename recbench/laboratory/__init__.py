"""The laboratory: policies of limited capacity, trained on unlimited draws from a market whose truth is known."""
