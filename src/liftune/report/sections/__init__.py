"""What a report says, one function a section."""
