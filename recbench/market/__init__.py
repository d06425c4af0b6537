"""The generated market behind data=bazaar: its truth, sequences, clicks and pictures drawn from it."""
