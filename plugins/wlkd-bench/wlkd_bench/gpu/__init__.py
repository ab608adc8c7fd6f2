"""What a GPU makes of the `simulstreaming` backend: is it right, how fast, and how near to what the card can do."""
