"""mitosis: a git-native experiment runner."""

__version__ = "0.7.0"
