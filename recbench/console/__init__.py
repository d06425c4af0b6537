"""What a person sees on a terminal: results, progress, messages; texts of any origin made readable."""
