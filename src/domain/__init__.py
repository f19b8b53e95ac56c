"""What a user activity event is. Pure: imports the standard library only."""
