"""What the hook runs before a commit."""
