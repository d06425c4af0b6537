"""Content interpretation: captioners behind one small interface, and what a caption run needs around them."""
