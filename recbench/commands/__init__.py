"""The commands of `recbench`, those of a chain in a module each, and the options that they share."""
