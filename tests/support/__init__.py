"""What tests share: examples and strategies."""
