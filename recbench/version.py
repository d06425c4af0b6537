"""The version of the package, which every manifest has."""

__version__ = "0.1.0"
