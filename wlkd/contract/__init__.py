"""What travels between the parts, what a plugin implements, and what it is lent."""
