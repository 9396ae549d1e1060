"""What is read off texts: answers, declines, chains."""
