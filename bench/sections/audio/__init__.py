"""Speech and transcription, and the peers that they are compared with."""
