"""How items are written as tokens: from vectors or files to codes, and from codes to the trie of legal sequences."""
