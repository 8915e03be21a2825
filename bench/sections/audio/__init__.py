"""Speech and transcription, and what they are compared with."""
