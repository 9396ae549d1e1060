"""Training: recipes, rewards, and the arms that they make."""
