"""Damaged and hostile inputs, made at random from valid ones: nothing but a clear line may come of them."""
