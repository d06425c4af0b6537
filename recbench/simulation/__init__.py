"""What click models would do to users: online in a market whose truth is known, off-policy on logged rounds."""
